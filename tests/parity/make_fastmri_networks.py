"""Store the outputs of fastMRI's U-Net and variational network for inputs of many sizes in fastmri_networks.npz.

They are the reference of test_nets.py.  The weights are in torch_files/.  To make them anew:

    pip install torch==2.13.0 fastmri==0.3.0
    python tests/parity/make_fastmri_networks.py

* unet|ny|nx: input and output.
* varnet|coils|ny|nx|lines: k-space, mask and output, with `lines` as the number of low-frequency lines, 0 to take it
  from the mask.
* pipeline: k-space, mask, the crop's shape and the image of fastMRI's U-Net in its whole pipeline, with a pixel so
  bright that the clamp acts.
"""

from __future__ import annotations

from pathlib import Path

import fastmri
import numpy as np
import torch
from fastmri.data import transforms
from fastmri.models.unet import Unet
from fastmri.models.varnet import VarNet

HERE = Path(__file__).parent
UNET = [(16, 16), (21, 18), (17, 23)]
VARNET = [(1, 22, 19, 0), (3, 16, 32, 0), (4, 17, 33, 0), (2, 24, 20, 6), (5, 15, 21, 5)]


def pipeline(unet: torch.nn.Module) -> dict[str, np.ndarray]:
    """Run fastMRI's own steps: coil images, crop, magnitude, root sum of squares, normalisation, clamp, and back."""
    image = torch.randn(3, 24, 20, 2)
    image[:, 12, 10] = 40.0
    mask = torch.rand(20) < 0.6
    mask[8:13] = True
    kspace = fastmri.fft2c(image) * mask[:, None] * 1e-5
    cropped = fastmri.rss(fastmri.complex_abs(transforms.complex_center_crop(fastmri.ifft2c(kspace), (16, 18))))
    normalised, mean, std = transforms.normalize_instance(cropped, eps=1e-11)
    assert (normalised.abs() > 6).any()
    output = unet(normalised.clamp(-6, 6)[None, None])[0, 0] * std + mean
    return {
        "pipeline|kspace": torch.view_as_complex(kspace).numpy(),
        "pipeline|mask": mask.numpy(),
        "pipeline|image": output.numpy(),
        "pipeline|clamped": (normalised.abs() > 6).float().mean().numpy(),
    }


def main() -> None:
    """Run all cases from a fixed seed."""
    torch.manual_seed(1)
    unet, varnet = Unet(1, 1, 2, 2).eval(), VarNet(2, 2, 2, 2, 2).eval()
    unet.load_state_dict(torch.load(HERE / "torch_files" / "unet.pt"))
    varnet.load_state_dict(torch.load(HERE / "torch_files" / "varnet.pt"))
    found: dict[str, np.ndarray] = {}
    with torch.no_grad():
        for ny, nx in UNET:
            x = torch.randn(1, 1, ny, nx)
            found |= {f"unet|{ny}|{nx}|x": x[0, 0].numpy(), f"unet|{ny}|{nx}|y": unet(x)[0, 0].numpy()}
        for coils, ny, nx, lines in VARNET:
            mask = torch.rand(nx) < 0.4
            mask[nx // 2 - 2 : nx // 2 + 3] = True
            kspace = torch.randn(1, coils, ny, nx, 2) * mask[:, None]
            image = varnet(kspace, mask[None, None, None, :, None], lines)
            name = f"varnet|{coils}|{ny}|{nx}|{lines}"
            found |= {f"{name}|kspace": torch.view_as_complex(kspace)[0].numpy(), f"{name}|mask": mask.numpy()}
            found[f"{name}|image"] = image[0].numpy()
        found |= pipeline(unet)
    np.savez_compressed(HERE / "fastmri_networks.npz", **found)


if __name__ == "__main__":
    main()
