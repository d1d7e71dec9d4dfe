"""Store what PyTorch's own layers make of AUTOMAP and DAGAN with random weights, in automap_dagan.npz.

They are the reference of tests/test_automap.py and tests/test_dagan.py.  The networks are written from the descriptions
of their layers.  To make the file anew:

    pip install torch==2.13.0 numpy
    python tests/parity/make_automap_dagan.py

automap: params|layer|name in the library's axes (dense kernels (in, out), others (y, x, in, out)), samples, image,
codes, weight and the gradient in the samples of sum(weight * image).
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


def main() -> None:
    """Run all networks from a fixed seed."""
    torch.manual_seed(1)
    np.savez_compressed(HERE / "automap_dagan.npz", **automap())


if __name__ == "__main__":
    main()
