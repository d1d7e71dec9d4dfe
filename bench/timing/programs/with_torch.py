"""PyTorch's side of the networks: the `fastmri` package's U-Net and VarNet, and ConvDecoder as it was published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.timing.programs.random_input import draw


def attack(options: dict[str, Any]) -> Callable[[int], None]:
    """The gradient of sum |network|^2 in its input."""
    import torch
    from fastmri.models.unet import Unet  # type: ignore[import-not-found]
    from fastmri.models.varnet import VarNet  # type: ignore[import-not-found]

    x, mask = draw(tuple(options["shape"]))
    channels, pools = options["channels"], options["pools"]
    if options["method"] == "unet":
        net = Unet(1, 1, channels, pools).eval().requires_grad_(False)
        leaf = torch.tensor(x[None, ..., 0], requires_grad=True)

        def evaluate() -> Any:
            return net(leaf)
    else:
        net = VarNet(options["cascades"], options["sens_channels"], options["sens_pools"], channels, pools)
        net = net.eval().requires_grad_(False)
        leaf, columns = torch.tensor(x[None], requires_grad=True), torch.tensor(mask)[None, None, None, :, None]

        def evaluate() -> Any:
            return net(torch.where(columns, leaf, torch.zeros(())), columns)

    def step(_: int) -> None:
        leaf.grad = None
        (evaluate() ** 2).sum().backward()

    return step


def fit(options: dict[str, Any]) -> Callable[[int], None]:
    """Steps of Adam on mean |M F G(C, z) - y|^2, in PyTorch's own order of axes."""
    import torch

    x, mask = draw(tuple(options["shape"]))
    channels = options["channels"]
    layers: list[Any] = []
    for size in (*map(tuple, options["sizes"]), None):
        layers += [torch.nn.Upsample(size, mode="nearest")] if size else []
        convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        layers += [convolution, torch.nn.ReLU(), torch.nn.BatchNorm2d(channels)]
    network = torch.nn.Sequential(*layers, torch.nn.Conv2d(channels, 2 * len(x), 1, bias=False))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.008)
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
