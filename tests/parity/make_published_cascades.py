"""Store what two published PyTorch codes make of small problems, in published_cascades.npz.

They are the reference of test_mri_vn.py and test_deepmri.py.  The codes are
rixez/pytorch_mri_variationalnetwork at 5074904 (its cell) and js3611/Deep-MRI-Reconstruction at d8a40ef (its
`cascadenet_pytorch`).  Both call transforms that PyTorch no longer has; the transforms are put in from outside.  To
make the file anew:

    pip install torch==2.13.0 numpy
    git clone https://github.com/rixez/pytorch_mri_variationalnetwork.git
    git clone https://github.com/js3611/Deep-MRI-Reconstruction.git
    python tests/parity/make_published_cascades.py pytorch_mri_variationalnetwork Deep-MRI-Reconstruction \\
        varnet_coronal_pd_fs.h5 d5_c5.npz

mri_vn|CASE: kspace, mask, maps, image, and the gradient in k-space of Re <weight, image>, as a direction of ascent; the
case `drawn` also has its tensors by their names, the case `published` has the published weights.  deep_cascade|CASE:
image in, mask, image out; the case `drawn` has its kernels (cascade, y, x, in, out) and biases by the library's names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


class OldTorch:
    """PyTorch with the transforms of pairs of real numbers that it had until version 1.7."""

    def __getattr__(self, name: str) -> Any:
        """Whatever else PyTorch has."""
        return getattr(torch, name)

    @staticmethod
    def fft(x: torch.Tensor, axes: int, normalized: bool) -> torch.Tensor:
        """Transform the last `axes` axes before the pairs."""
        assert axes == 2
        return torch.view_as_real(
            torch.fft.fft2(torch.view_as_complex(x.contiguous()), norm="ortho" if normalized else None)
        )

    @staticmethod
    def ifft(x: torch.Tensor, axes: int, normalized: bool) -> torch.Tensor:
        """The inverse of `fft`."""
        assert axes == 2
        return torch.view_as_real(
            torch.fft.ifft2(torch.view_as_complex(x.contiguous()), norm="ortho" if normalized else None)
        )


def drawn(*shape: int) -> torch.Tensor:
    """Complex normal numbers."""
    return torch.randn(*shape, dtype=torch.complex64)


def variational(checkout: Path, weights: Path) -> dict[str, np.ndarray]:
    """The port's variational network, with drawn and with published weights."""
    sys.path.insert(0, str(checkout))
    lightning, writer = ModuleType("pytorch_lightning"), ModuleType("imageio")
    lightning.LightningModule = nn.Module
    sys.modules |= {"pytorch_lightning": lightning, "imageio": writer}
    import fft_utils
    import models

    fft_utils.torch = OldTorch()
    found: dict[str, np.ndarray] = {}
    for case, coils, shape, sizes in (
        ("drawn", 2, (16, 13), {"num_stages": 2, "features_out": 3}),
        ("published", 3, (19, 24), {"num_stages": 10, "features_out": 48}),
    ):
        net = models.VariationalNetwork(**sizes, sampling_pattern="cartesian").float()
        if case == "published":
            net.load_state_dict(torch.load(weights, weights_only=True))
        else:
            for name, value in net.named_parameters():
                value.data = torch.randn_like(value) * {"w": 0.1, "lamb": 0.5}.get(name.split(".")[-1], 0.08)
        maps = drawn(coils, *shape)
        maps /= maps.abs().square().sum(0).sqrt()
        mask = torch.rand(shape[1]) < 0.5
        mask[shape[1] // 2 - 1 : shape[1] // 2 + 2] = True
        kspace = torch.where(mask, drawn(coils, *shape), 0)
        kspace[:, shape[0] // 2, shape[1] // 2] += 8
        zero_filled = centred(torch.fft.ifft2, kspace) * maps.conj()
        kspace /= zero_filled.sum(0).abs().max()
        kspace.requires_grad_()
        start = (centred(torch.fft.ifft2, kspace) * maps.conj()).sum(0)
        pairs = {"u_t": start, "f": kspace, "coil_sens": maps}
        batch = {name: torch.view_as_real(value.resolve_conj())[None] for name, value in pairs.items()}
        image = torch.view_as_complex(net(batch | {"sampling_mask": mask.float().expand(1, *shape)})[0])
        weight = drawn(*shape)
        (gradient,) = torch.autograd.grad((weight.conj() * image).real.sum(), kspace)
        arrays = {"kspace": kspace, "mask": mask, "maps": maps, "image": image, "weight": weight}
        arrays |= {"gradient": torch.where(mask, gradient, 0)} | (net.state_dict() if case == "drawn" else {})
        found |= {f"mri_vn|{case}|{name}": value.detach().numpy(force=True) for name, value in arrays.items()}
    return found


def centred(transform: Any, x: torch.Tensor) -> torch.Tensor:
    """A transform with the zero frequency and the image's centre in the middle."""
    axes = (-2, -1)
    return torch.fft.fftshift(transform(torch.fft.ifftshift(x, dim=axes), norm="ortho"), dim=axes)


def cascade(checkout: Path, weights: Path) -> dict[str, np.ndarray]:
    """The port's deep cascade.  It is under-sampled along its first axis, which is x here."""
    sys.path.insert(0, str(checkout))
    from cascadenet_pytorch import kspace_pytorch, model_pytorch

    kspace_pytorch.torch = SimpleNamespace(fft=OldTorch.fft, ifft=OldTorch.ifft)
    found: dict[str, np.ndarray] = {}
    for case, sizes, shape in (("drawn", {"nc": 2, "nd": 3, "nf": 4}, (14, 17)), ("published", {"nf": 64}, (32, 32))):
        net = model_pytorch.DnCn(**sizes, nl="relu")
        if case == "published":
            with np.load(weights, allow_pickle=False) as file:
                values = [torch.from_numpy(file[f"arr_{i}"]) for i in range(len(file.files))]
            for value, parameter in zip(values, net.parameters(), strict=True):
                parameter.data = value
        else:
            for parameter in net.parameters():
                parameter.data *= 2  # so that the network changes the image
        ny, nx = shape
        y, x = np.meshgrid(np.linspace(-1, 1, ny), np.linspace(-1, 1, nx), indexing="ij")
        image = torch.from_numpy(np.exp(-3 * (x**2 + y**2)) + 0.3 * ((x - 0.2) ** 2 + y**2 < 0.1)) + 0.05 * drawn(
            ny, nx
        )
        image = (image / image.abs().max()).to(torch.complex64)
        mask = torch.rand(nx) < 0.3
        mask[nx // 2 - 2 : nx // 2 + 3] = True
        at_corner = torch.fft.ifftshift(mask)[:, None]
        kspace = torch.where(at_corner, torch.fft.fft2(image.T, norm="ortho"), 0)
        channels = [
            torch.view_as_real(z).permute(2, 0, 1)[None] for z in (torch.fft.ifft2(kspace, norm="ortho"), kspace)
        ]
        out = net(*channels, at_corner.expand(1, 2, nx, ny).float())[0].detach()
        out = torch.complex(out[0], out[1]).T
        arrays = {"image": image, "mask": mask, "out": out}
        found |= {f"deep_cascade|{case}|{name}": value.numpy() for name, value in arrays.items()}
        for i in range(sizes.get("nd", 5) if case == "drawn" else 0):
            layers = [block[2 * i] for block in net.conv_blocks]
            kernels = torch.stack([layer.weight for layer in layers]).permute(0, 4, 3, 2, 1)
            found[f"deep_cascade|drawn|layer{i}|kernel"] = kernels.detach().numpy()
            found[f"deep_cascade|drawn|layer{i}|bias"] = torch.stack([layer.bias for layer in layers]).detach().numpy()
    return found


def main(port: str, original: str, varnet: str, d5_c5: str) -> None:
    """Run both codes from a fixed seed."""
    torch.manual_seed(1)
    found = variational(Path(port), Path(varnet)) | cascade(Path(original), Path(d5_c5))
    np.savez_compressed(HERE / "published_cascades.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
