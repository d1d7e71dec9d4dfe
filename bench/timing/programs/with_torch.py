"""PyTorch's side of the networks: U-Net and VarNet of the `fastmri` package, and ConvDecoder as published."""

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

    return step


def training(options: dict[str, Any]) -> Callable[[int], None]:
    """Build one step of Adam on the weights, on one example, for the loss mean |network|^2."""
    import torch

    net, _, evaluate = _network(options)
    optimiser = torch.optim.Adam(net.parameters(), lr=options["rate"])

    def step(_: int) -> None:
        optimiser.zero_grad()
        (evaluate() ** 2).mean().backward()
        optimiser.step()

    return step


def _network(options: dict[str, Any]) -> tuple[Any, Any, Callable[[], Any]]:
    """The network with fresh weights, its input, and the function that evaluates it; eval() turns dropout off."""
    import torch
    from fastmri.models.unet import Unet  # type: ignore[import-not-found]
    from fastmri.models.varnet import VarNet  # type: ignore[import-not-found]

    x, mask = draw(tuple(options["shape"]))
    channels, pools = options["channels"], options["pools"]
    if options["method"] == "unet":
        net, leaf = Unet(1, 1, channels, pools).eval(), torch.tensor(x[None, ..., 0])
        return net, leaf, lambda: net(leaf)
    net = VarNet(options["cascades"], options["sens_channels"], options["sens_pools"], channels, pools).eval()
    leaf, columns = torch.tensor(x[None]), torch.tensor(mask)[None, None, None, :, None]
    return net, leaf, lambda: net(torch.where(columns, leaf, torch.zeros(())), columns)


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
    network = torch.nn.Sequential(*layers, torch.nn.Conv2d(channels, 2 * len(x), 1, bias=False))
    optimiser = torch.optim.Adam(network.parameters(), lr=options["rate"])
    z = torch.rand(1, channels, *options["in_size"])
    kspace, columns = torch.view_as_complex(torch.tensor(x)), torch.tensor(mask)

    def run(_: int) -> None:
        for _ in range(options["steps"]):
            optimiser.zero_grad()
            y = network(z)[0]
            drawn = torch.fft.fft2(torch.complex(y[0::2], y[1::2]), norm="ortho")
            (columns * (drawn - kspace).abs() ** 2).mean().backward()
            optimiser.step()

    return run
