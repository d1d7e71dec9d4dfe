"""PyTorch's side of the networks: U-Net and VarNet of the `fastmri` package, and ConvDecoder as published.

On a GPU products and convolutions take TF32, as JAX's do by default.  torch.compile takes the U-Nets alone, because it
leaves complex arithmetic as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.timing.programs.random_input import draw


def attack(options: dict[str, Any]) -> Callable[[int], None]:
    """Build the gradient of mean |network|^2 in its input."""
    net, leaf, evaluate = _network(options)
    net.requires_grad_(False)
    leaf.requires_grad_(True)

    def step(_: int) -> None:
        leaf.grad = None
        (evaluate() ** 2).mean().backward()
        _wait(options)

    return step


def training(options: dict[str, Any]) -> Callable[[int], None]:
    """Build one step of Adam on the weights, on the examples together, for the loss mean |network|^2."""
    import torch

    net, _, evaluate = _network(options)
    optimiser = torch.optim.Adam(net.parameters(), lr=options["rate"])

    def step(_: int) -> None:
        optimiser.zero_grad()
        (evaluate() ** 2).mean().backward()
        optimiser.step()
        _wait(options)

    return step


def _wait(options: dict[str, Any]) -> None:
    """Wait until the device has done all that it was told."""
    import torch

    if options["device"] != "cpu":
        torch.cuda.synchronize()


def _network(options: dict[str, Any]) -> tuple[Any, Any, Callable[[], Any]]:
    """The network with fresh weights, its input, and the function that evaluates it; eval() turns dropout off."""
    import torch
    from fastmri.models.unet import Unet  # type: ignore[import-not-found]
    from fastmri.models.varnet import VarNet  # type: ignore[import-not-found]

    torch.set_float32_matmul_precision("highest" if options["device"] == "cpu" else "high")
    x, mask = draw(tuple(options["shape"]))
    copies, where = options["at_once"], options["device"]
    channels, pools = options["channels"], options["pools"]
    if options["method"] == "unet":
        net = Unet(1, 1, channels, pools).eval().to(where)
        leaf = torch.tensor(x[None, ..., 0]).repeat(copies, 1, 1, 1).to(where)
        if options["compiled"]:
            net.compile()
        return net, leaf, lambda: net(leaf)
    net = VarNet(options["cascades"], options["sens_channels"], options["sens_pools"], channels, pools).eval().to(where)
    if options["compiled"]:
        for part in net.modules():
            if isinstance(part, Unet):
                part.compile()
    leaf = torch.tensor(x[None]).repeat(copies, 1, 1, 1, 1).to(where)
    columns = torch.tensor(mask)[None, None, None, :, None].repeat(copies, 1, 1, 1, 1).to(where)
    zero = torch.zeros((), device=where)
    return net, leaf, lambda: net(torch.where(columns, leaf, zero), columns)


def fit(options: dict[str, Any]) -> Callable[[int], None]:
    """Build steps of Adam on mean |M F G(C, z) - y|^2, in PyTorch's order of axes."""
    import torch

    x, mask = draw(tuple(options["shape"]))
    channels = options["channels"]
    layers: list[Any] = []
    for size in (*map(tuple, options["sizes"]), None):
        layers += [torch.nn.Upsample(size, mode="nearest")] if size else []
        convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        layers += [convolution, torch.nn.ReLU(), torch.nn.BatchNorm2d(channels)]
    where = options["device"]
    torch.set_float32_matmul_precision("highest" if where == "cpu" else "high")
    network = torch.nn.Sequential(*layers, torch.nn.Conv2d(channels, 2 * len(x), 1, bias=False)).to(where)
    if options["compiled"]:
        network.compile()
    optimiser = torch.optim.Adam(network.parameters(), lr=options["rate"])
    z = torch.rand(1, channels, *options["in_size"]).to(where)
    kspace, columns = torch.view_as_complex(torch.tensor(x)).to(where), torch.tensor(mask).to(where)

    def run(_: int) -> None:
        for _ in range(options["steps"]):
            optimiser.zero_grad()
            y = network(z)[0]
            drawn = torch.fft.fft2(torch.complex(y[0::2], y[1::2]), norm="ortho")
            (columns * (drawn - kspace).abs() ** 2).mean().backward()
            optimiser.step()
        _wait(options)

    return run
