"""Store what PyTorch makes of a small FBPConvNet with random weights beside this file.

It is the reference of test_fbpconvnet.py.  The module is written from the description of the layers, with
PyTorch's own layers; outputs and gradients are computed in float64.  To make it anew:

    pip install torch==2.13.0 numpy
    python tests/parity/make_fbpconvnet.py

params|layer|...: in the library's names and axes (kernels (y, x, in, out)).  image, y: input and output (ny, nx).
gradient: that of sum(weight * y) in the image.  up|x, up|kernel, up|y, pool|x, pool|y: the single layers, channels
last.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

CHANNELS, LEVELS, SHAPE = 4, 2, (16, 24)


class Network(nn.Module):
    """Layers made the first time their name is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.made = nn.ModuleDict()

    def layer(self, name: str, x: torch.Tensor, make: type[nn.Module], *args: int, **options: object) -> torch.Tensor:
        """Apply the layer of that name."""
        if name not in self.made:
            self.made[name] = make(x.shape[1], *args, **options).double()
        return self.made[name](x)

    def rectified(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Batch normalisation by the image's own statistics, and ReLU."""
        return torch.relu(self.layer(f"{name}_norm", x, nn.BatchNorm2d, eps=1e-4, track_running_stats=False))

    def block(self, name: str, x: torch.Tensor, features: int) -> torch.Tensor:
        """Convolution, normalisation, ReLU."""
        return self.rectified(name, self.layer(f"{name}_conv", x, nn.Conv2d, features, 3, padding=1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, 1, ny, nx) -> (1, 1, ny, nx)."""
        x, skips = self.block("first", image, CHANNELS), []
        for level in range(LEVELS + 1):
            x = self.block(f"down{level}b", self.block(f"down{level}a", x, CHANNELS * 2**level), CHANNELS * 2**level)
            if level < LEVELS:
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
        for level in reversed(range(LEVELS)):
            features = CHANNELS * 2**level
            x = self.layer(f"raise{level}_up", x, nn.ConvTranspose2d, features, 3, stride=2)[..., :-1, :-1]
            x = torch.cat([skips[level], self.rectified(f"raise{level}", x)], 1)
            x = self.block(f"up{level}b", self.block(f"up{level}a", x, features), features)
        return image + self.layer("last_conv", x, nn.Conv2d, 1, 1)


def main() -> None:
    """Run from a fixed seed and store."""
    torch.manual_seed(0)
    network, image = Network(), torch.randn(1, 1, *SHAPE, dtype=torch.float64, requires_grad=True)
    network(image)
    stored = {}
    for name, module in network.made.items():
        layer, kind = name.rsplit("_", 1)
        if kind == "norm":
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            stored[f"params|{layer}|norm|scale"] = module.weight
            stored[f"params|{layer}|norm|bias"] = module.bias
        else:
            path = f"{layer}|conv" if kind == "conv" and layer != "last" else layer
            # A convolution's kernel is (out, in, y, x), a transposed convolution's (in, out, y, x).
            axes = (2, 3, 0, 1) if kind == "up" else (2, 3, 1, 0)
            kernel = module.weight.permute(*axes)
            stored[f"params|{path}|kernel"] = kernel[0, 0] if layer == "last" else kernel
            stored[f"params|{path}|bias"] = module.bias
    y = network(image)
    weight = torch.randn_like(y)
    (weight * y).sum().backward()
    stored |= {"image": image[0, 0], "y": y[0, 0], "weight": weight[0, 0], "gradient": image.grad[0, 0]}
    x, kernel = torch.randn(1, 3, 4, 5), torch.randn(3, 2, 3, 3)
    up = nn.functional.conv_transpose2d(x, kernel, stride=2)[..., :-1, :-1]
    stored |= {"up|x": x[0].permute(1, 2, 0), "up|kernel": kernel.permute(2, 3, 0, 1), "up|y": up[0].permute(1, 2, 0)}
    x = torch.randn(1, 2, 6, 4)
    pool = nn.functional.max_pool2d(x, 2)
    stored |= {"pool|x": x[0].permute(1, 2, 0), "pool|y": pool[0].permute(1, 2, 0)}
    arrays = {name: array.detach().numpy().astype(np.float32) for name, array in stored.items()}
    np.savez_compressed(Path(__file__).with_name("fbpconvnet.npz"), **arrays)


if __name__ == "__main__":
    main()
