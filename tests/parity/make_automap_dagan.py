"""Store what PyTorch's own layers make of AUTOMAP and DAGAN with random weights, in automap_dagan.npz.

They are the reference of test_automap.py and test_dagan.py.  The networks are written from the descriptions
of their layers.  To make the file anew:

    pip install torch==2.13.0 numpy
    python tests/parity/make_automap_dagan.py

automap: params|layer|name in the library's axes (dense kernels (in, out), others (y, x, in, out)), samples, image,
codes, weight and the gradient in the samples of sum(weight * image).

dagan|generator: params|layer|name; x, and y by the running statistics; batch, and `trained` by the statistics of the
batch, with the gradient of the mean of weight * trained in the first kernel.  dagan|discriminator: params; x, its
logits, and the gradient of logit 1 - 2 logit 2 + logit 3 / 2 in the first kernel.  dagan|half: x, kernel, the halved
image, and the doubled image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


def automap() -> dict[str, np.ndarray]:
    """Images of 8 x 8 pixels from 30 samples, with 40 hidden values and 3 channels."""
    side, samples, hidden, channels = 8, 30, 40, 3
    dense1, dense2 = nn.Linear(2 * samples, hidden), nn.Linear(hidden, side**2)
    conv1, conv2 = nn.Conv2d(1, channels, 5, padding=2), nn.Conv2d(channels, channels, 5, padding=2)
    last = nn.ConvTranspose2d(channels, 1, 7, padding=3)
    values = torch.randn(2 * samples, requires_grad=True)
    flat = dense2(torch.tanh(dense1(values)))
    image = (flat - flat.mean()).reshape(side, side)
    mirrored = torch.from_numpy(np.pad(np.arange(side), 4, mode="symmetric"))
    wide = image[mirrored][:, mirrored][None, None]
    codes = torch.relu(conv2(torch.tanh(conv1(wide))))
    image = last(codes)[0, 0, 4:-4, 4:-4]
    weight = torch.randn(side, side)
    (gradient,) = torch.autograd.grad(torch.sum(weight * image), values)
    kernels = {
        "dense1": dense1.weight.T,
        "dense2": dense2.weight.T,
        "conv1": conv1.weight.permute(2, 3, 1, 0),
        "conv2": conv2.weight.permute(2, 3, 1, 0),
        "last": last.weight.permute(2, 3, 0, 1).flip(0, 1),
    }
    layers = {"dense1": dense1, "dense2": dense2, "conv1": conv1, "conv2": conv2, "last": last}
    arrays = {f"params|{name}|kernel": kernel for name, kernel in kernels.items()}
    arrays |= {f"params|{name}|bias": layer.bias for name, layer in layers.items()}
    arrays |= {"samples": values, "image": image, "codes": codes[0].permute(1, 2, 0), "weight": weight}
    arrays["gradient"] = gradient
    return {f"automap|{name}": np.ascontiguousarray(value.detach().numpy()) for name, value in arrays.items()}


class Layers(nn.Module):
    """Convolutions and normalisations by name, and their parameters in the library's axes."""

    def __init__(self) -> None:
        """Begin without layers."""
        super().__init__()
        self.arrays: dict[str, torch.Tensor] = {}

    def add(self, name: str, layer: nn.Module, normalised: int = 0, running: bool = True) -> nn.Module:
        """Make a layer with random parameters, followed by a normalisation of that many channels."""
        up = isinstance(layer, nn.ConvTranspose2d)
        self.add_module(name, layer)
        self.arrays[f"{name}|kernel"] = layer.weight.permute(2, 3, 0, 1) if up else layer.weight.permute(2, 3, 1, 0)
        if layer.bias is not None:
            self.arrays[f"{name}|bias"] = layer.bias
        if not normalised:
            return layer
        norm = nn.BatchNorm2d(normalised, track_running_stats=running)
        norm.weight.data, norm.bias.data = 1 + 0.3 * torch.randn(normalised), torch.randn(normalised)
        self.add_module(f"{name}_norm", norm)
        self.arrays |= {f"{name}|scale": norm.weight, f"{name}|shift": norm.bias}
        if running:
            norm.running_mean, norm.running_var = torch.randn(normalised), torch.rand(normalised) + 0.5
            kept = {f"{name}|mean": norm.running_mean.clone(), f"{name}|variance": norm.running_var.clone()}
            self.arrays |= kept
        return nn.Sequential(layer, norm)


def leaky(x: torch.Tensor) -> torch.Tensor:
    """ReLU of slope 0.2."""
    return nn.functional.leaky_relu(x, 0.2)


def generator() -> dict[str, torch.Tensor]:
    """Three halvings with 2, 4 and 8 channels."""
    layers, widths = Layers(), (2, 4, 8)
    down = [
        layers.add(f"down{i}", nn.Conv2d(([1, *widths])[i], widths[i], 4, 2, 1), widths[i] if i == 1 else 0)
        for i in range(3)
    ]
    up_widths = ((2 + 2, 2), (4 + 4, 2), (8, 4))
    up = [layers.add(f"up{i}", nn.ConvTranspose2d(*size, 4, 2, 1), size[1]) for i, size in enumerate(up_widths)]
    last = layers.add("last", nn.Conv2d(2, 1, 1))

    def run(x: torch.Tensor) -> torch.Tensor:
        first = leaky(down[0](x))
        second = leaky(down[1](first))
        deep = torch.relu(up[2](leaky(down[2](second))))
        deep = torch.relu(up[1](torch.cat([deep, second], 1)))
        return torch.clamp(x + torch.tanh(last(torch.relu(up[0](torch.cat([deep, first], 1))))), -1, 1)

    x, batch = torch.rand(1, 1, 16, 8) * 2 - 1, torch.rand(3, 1, 16, 8) * 2 - 1
    weight = torch.randn(3, 1, 16, 8)
    y = layers.eval() and run(x)
    trained = layers.train() and run(batch)
    (gradient,) = torch.autograd.grad((weight * trained).mean(), layers.down0.weight)
    found = {f"params|{name}": value for name, value in layers.arrays.items()}
    found |= {
        "x": channels_last(x),
        "y": channels_last(y),
        "batch": channels_last(batch),
        "weight": channels_last(weight),
    }
    return found | {"trained": channels_last(trained), "gradient": gradient.permute(2, 3, 1, 0)}


def discriminator() -> dict[str, torch.Tensor]:
    """Three halvings with 4, 8 and 16 channels."""
    layers = Layers()
    first = layers.add("down0", nn.Conv2d(1, 4, 4, 2, 1))
    sizes = {"down1": (4, 8, 4, 2, 1), "down2": (8, 16, 4, 2, 1), "flat1": (16, 8, 1), "flat2": (8, 4, 1)}
    sizes |= {"residual1": (4, 1, 1), "residual2": (1, 1, 3, 1, 1), "residual3": (1, 4, 3, 1, 1)}
    net = {name: layers.add(name, nn.Conv2d(*size, bias=False), size[1], False) for name, size in sizes.items()}
    dense = nn.Linear(4 * 2 * 1, 1)
    x = torch.rand(3, 1, 16, 8) * 2 - 1
    y = leaky(net["down2"](leaky(net["down1"](leaky(first(x))))))
    y = net["flat2"](leaky(net["flat1"](y)))
    y = leaky(y + net["residual3"](leaky(net["residual2"](leaky(net["residual1"](y))))))
    logits = dense(channels_last(y).reshape(3, -1))[:, 0]
    (gradient,) = torch.autograd.grad((logits * torch.tensor([1.0, -2.0, 0.5])).sum(), first.weight)
    found = {f"params|{name}": value for name, value in layers.arrays.items()}
    found |= {"params|dense|kernel": dense.weight.T, "params|dense|bias": dense.bias}
    return found | {"x": channels_last(x), "logits": logits, "gradient": gradient.permute(2, 3, 1, 0)}


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """The library's order of axes."""
    return x.permute(0, 2, 3, 1)


def dagan() -> dict[str, np.ndarray]:
    """Both networks, and their resampling convolutions."""
    x, kernel = torch.randn(2, 3, 8, 6), torch.randn(5, 3, 4, 4)
    halved = nn.functional.conv2d(x, kernel, stride=2, padding=1)
    doubled = nn.functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
    half = {"x": channels_last(x), "kernel": kernel.permute(2, 3, 1, 0)}
    half |= {"halved": channels_last(halved), "doubled": channels_last(doubled)}
    parts = {"generator": generator(), "discriminator": discriminator(), "half": half}
    return {
        f"dagan|{part}|{name}": np.ascontiguousarray(value.detach().numpy())
        for part, arrays in parts.items()
        for name, value in arrays.items()
    }


def main() -> None:
    """Run all networks from a fixed seed."""
    torch.manual_seed(1)
    np.savez_compressed(HERE / "automap_dagan.npz", **automap(), **dagan())


if __name__ == "__main__":
    main()
