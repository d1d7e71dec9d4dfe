"""Store PyTorch's outputs of un-trained networks with random weights, and its resampling, in untrained_networks.npz.

They are the reference of test_untrained_nets.py.  The modules are written from the papers' descriptions, with
PyTorch's own layers in training mode.  Outputs and gradients are computed in float64.  To make them anew:

    pip install torch==2.13.0 numpy
    python tests/parity/make_untrained_networks.py

The keys network|output size|... are:

* params|layer|name in the library's names and axes (kernels (y, x, in, out), pixelwise kernels (in, out));
* z, y and target, with channels last;
* gradient|layer|kernel of sum((y - target)^2) for one layer.  The sum of squares alone hardly changes with the layers
  before a normalisation.

mode|in|out holds the image of size `in`, resampled to `out`, the weight, and the gradient of sum(weight * image).
places holds pairs of in and out.  place holds the sources of the pixels in nearest up-sampling, pair after pair.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent
CHANNELS, OUTPUTS = 5, 3
IN_SIZE = (3, 2)
DECODERS = [("conv", (12, 16), 4, False), ("conv", (23, 17), 5, True), ("deep", (16, 12), 4, False)]
DECODERS += [("deep", (21, 19), 6, True)]
PRIORS = [((21, 19), (2, 0, 3)), ((10, 16), (0, 0))]
RESAMPLED = [((4, 5), (8, 10)), ((5, 7), (13, 8)), ((6, 3), (6, 11)), ((1, 4), (3, 1)), ((9, 8), (5, 20))]
GRADIENT_OF = {"conv": "conv1", "deep": "conv1", "prior": "halve1"}


class Named(nn.Module):
    """Layers are made when their name is first used, so that a network reads as a list of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.made = nn.ModuleDict()

    def layer(self, name: str, x: torch.Tensor, make: type[nn.Module], *args: int, **options: object) -> torch.Tensor:
        """Apply the layer of that name."""
        if name not in self.made:
            self.made[name] = make(x.shape[1], *args, **options)
        return self.made[name](x)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Batch normalisation over the one image."""
        return self.layer(name, x, nn.BatchNorm2d)


class Decoder(Named):
    """ConvDecoder or Deep Decoder; sizes are given after each up-sampling."""

    def __init__(self, kind: str, out_size: tuple[int, int], layers: int, bias: bool) -> None:
        super().__init__()
        self.kind, self.bias = kind, bias
        scale = [(out / into) ** (1 / (layers - 1)) for out, into in zip(out_size, IN_SIZE, strict=True)]
        hidden = [[math.ceil(s**n * i) for s, i in zip(scale, IN_SIZE, strict=True)] for n in range(1, layers - 1)]
        self.sizes = [*hidden, out_size, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, channels, *IN_SIZE) -> (1, OUTPUTS, *out_size)."""
        for i, size in enumerate(self.sizes):
            if self.kind == "conv":
                x = x if size is None else functional.interpolate(x, size, mode="nearest")
                x = self.layer(f"conv{i}", x, nn.Conv2d, CHANNELS, 3, padding=1, bias=self.bias)
            else:
                x = self.layer(f"conv{i}", x, nn.Conv2d, CHANNELS, 1, bias=self.bias)
                x = x if size is None else functional.interpolate(x, size, mode="bilinear", align_corners=True)
            x = self.norm(f"norm{i}", torch.relu(x))
        return self.layer("last", x, nn.Conv2d, OUTPUTS, 1, bias=self.bias)


class Prior(Named):
    """The hour-glass network; every scale returns an image of its input's size."""

    def __init__(self, skips: tuple[int, ...]) -> None:
        super().__init__()
        self.skips = skips

    def block(self, name: str, x: torch.Tensor, features: int, size: int, stride: int = 1) -> torch.Tensor:
        """Convolution, normalisation, ReLU."""
        x = self.layer(name, x, nn.Conv2d, features, size, stride, size // 2)
        return torch.relu(self.norm(f"{name}_norm", x))

    def scale(self, x: torch.Tensor, i: int) -> torch.Tensor:
        """Scale i and all coarser scales."""
        if i == len(self.skips):
            return x
        skip = [self.block(f"skip{i}", x, self.skips[i], 1)] if self.skips[i] else []
        y = self.block(f"down{i}", self.block(f"halve{i}", x, CHANNELS, 5, 2), CHANNELS, 5)
        y = functional.interpolate(self.scale(y, i + 1), scale_factor=2, mode="nearest")
        y = self.norm(f"joined{i}_norm", torch.cat([*skip, y[..., : x.shape[2], : x.shape[3]]], 1))
        return self.block(f"mix{i}", self.block(f"up{i}", y, CHANNELS, 3), CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, channels, ny, nx) -> (1, OUTPUTS, ny, nx)."""
        return self.layer("last", self.scale(x, 0), nn.Conv2d, OUTPUTS, 1)


def channels_last(x: torch.Tensor) -> np.ndarray:
    """(1, channel, ny, nx) -> (ny, nx, channel)."""
    return x.detach()[0].permute(1, 2, 0).numpy()


def kernel(weight: torch.Tensor, pixelwise: bool) -> np.ndarray:
    """(out, in, y, x) -> (y, x, in, out), or (in, out) for one pixel."""
    moved = weight.detach().permute(2, 3, 1, 0).numpy()
    return moved[0, 0] if pixelwise else moved


def fit(network: Named, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compute the output, and leave the gradients of sum((y - target)^2) in the network."""
    network.zero_grad()
    y = network(z)
    ((y - target) ** 2).sum().backward()
    return y


def run(name: str, kind: str, make: Callable[[], Named], shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """Compute weights, input, output and one gradient of a network.

    Float32 must be able to resolve the gradient; for some networks it cannot.
    """
    error = torch.inf
    while error > 2e-6:
        network, z = make(), torch.rand(1, CHANNELS, *shape)
        target = torch.randn_like(network(z))
        for module in network.made.values():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        exact = copy.deepcopy(network).double()
        y = fit(exact, z.double(), target.double()).float()
        fit(network, z, target)
        gradient, rounded = (net.made[GRADIENT_OF[kind]].weight.grad for net in (exact, network))
        error = (rounded - gradient).norm() / gradient.norm()
    found = {f"{name}|z": channels_last(z), f"{name}|y": channels_last(y), f"{name}|target": channels_last(target)}
    for layer, module in network.made.items():
        pixelwise = module.weight.ndim == 4 and module.weight.shape[-1] == 1
        if isinstance(module, nn.BatchNorm2d):
            found[f"{name}|params|{layer}|scale"] = module.weight.detach().numpy()
        else:
            found[f"{name}|params|{layer}|kernel"] = kernel(module.weight, pixelwise)
        if module.bias is not None:
            found[f"{name}|params|{layer}|bias"] = module.bias.detach().numpy()
        if layer == GRADIENT_OF[kind]:
            found[f"{name}|gradient|{layer}|kernel"] = kernel(gradient.float(), pixelwise)
    return found


def main() -> None:
    """Run all cases from a fixed seed."""
    torch.manual_seed(1)
    found: dict[str, np.ndarray] = {}
    for kind, size, layers, bias in DECODERS:
        name = f"{kind}|{size[0]}|{size[1]}|{layers}|{int(bias)}"
        found |= run(name, kind, partial(Decoder, kind, size, layers, bias), IN_SIZE)
    for size, skips in PRIORS:
        name = f"prior|{size[0]}|{size[1]}|{'-'.join(str(skip) for skip in skips)}"
        found |= run(name, "prior", partial(Prior, skips), size)
    for into, out in RESAMPLED:
        for mode, options in (("nearest", {}), ("bilinear", {"align_corners": True})):
            x, weight = torch.randn(1, 2, *into, requires_grad=True), torch.randn(1, 2, *out)
            y = functional.interpolate(x, out, mode=mode, **options)
            (y * weight).sum().backward()
            name = f"{mode}|{into[0]}-{into[1]}|{out[0]}-{out[1]}"
            for what, array in (("x", x), ("y", y), ("weight", weight), ("gradient", x.grad)):
                found[f"{name}|{what}"] = channels_last(array)
    # Sizes of decoders, and smaller sizes for which float32 and exact arithmetic give different pixels.
    for into in [*range(1, 65), 183, 343]:
        for out in [*range(into, min(4 * into, 128)), 320, 640]:
            ramp = torch.arange(into, dtype=torch.float32)[None, None]
            place = functional.interpolate(ramp, out, mode="nearest")[0, 0].numpy().astype(np.int16)
            exact = np.arange(out) * into // out
            if out in (320, 640) or not np.array_equal(place, exact):
                found[f"place|{into}|{out}"] = place
    places = {name: found.pop(name) for name in list(found) if name.startswith("place")}
    found["places"] = np.array([[int(part) for part in name.split("|")[1:]] for name in places], np.int16)
    found["place"] = np.concatenate(list(places.values()))
    np.savez_compressed(HERE / "untrained_networks.npz", **found)


if __name__ == "__main__":
    main()
