"""Reconstructions of DeepInverse, functions of (measurements, physics), as JAX functions that have gradients.

DeepInverse (https://deepinv.org) is not a dependency.  It is imported only when one of its reconstructions is called
for.  Its FFT is centred and orthonormal as ours, so that its physics is ours in another layout.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jaxcs.interop.torch_bridge import Bridged, from_torch
from jaxcs.names import did_you_mean

if TYPE_CHECKING:
    import torch

_NEEDS = "needs DeepInverse and PyTorch, which are not installed: pip install 'jaxcs[deepinv]'"
# Modules of DeepInverse that have reconstructions.
_MODULES = ("models", "optim", "unfolded", "sampling")


def from_deepinv(
    reconstruct: Callable[[torch.Tensor, Any], torch.Tensor], output_shape: tuple[int, int] | None = None
) -> Bridged:
    """Turn a reconstruction of DeepInverse into a JAX function that is differentiable in the k-space and the coil maps.

    `reconstruct` gets the measurements y, float32 (1, 2, coil, ny, nx), and a `MultiCoilMRI` physics with the mask and
    the coil maps; for a single coil (1, 2, ny, nx) and an `MRI` physics, whose map is 1.  Axis 1 is the real and the
    imaginary part.  A module is put into `eval()`.  Three defaults of DeepInverse are changed, with which the gradient
    would not be the derivative of the image: iterative algorithms are unfolded (`unfold`), not run without a gradient;
    its least squares are differentiated step by step (`implicit_backward_solver=False`), because they stop early; and
    total variation begins each proximal operator anew (`restart`), not from the last one, whose gradient is cut off.
    All else is as for `from_torch`.

    Args:
        reconstruct: a `deepinv.models.Reconstructor`, or another callable of (y, physics).  It returns the complex
            image, float32 (1, 2, ny, nx), or its magnitude (1, 1, ny, nx).  Denoisers of DeepInverse expect images
            within [0, 1], which is the scale of the commands' measurements.
        output_shape: (ny, nx) of the image; see `from_torch`.

    Returns:
        The JAX function of (k-space, mask, maps), which gives a float32 magnitude image (ny, nx).

    Raises:
        ImportError: If DeepInverse or PyTorch is not installed.
    """
    try:
        import torch
        from deepinv.physics import MRI, MultiCoilMRI
    except ImportError as error:
        raise ImportError(f"from_deepinv {_NEEDS}") from error

    class WithPhysics(torch.nn.Module):
        """The reconstruction as a module of (k-space, mask, maps), whose parameters say where it computes."""

        def __init__(self) -> None:
            super().__init__()
            self.reconstruct = reconstruct

        def forward(self, kspace: torch.Tensor, mask: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
            sampled = mask.to(torch.float32).expand(kspace.shape[-2:])
            parts = torch.view_as_real(kspace * mask).movedim(-1, 0)[None]
            if len(kspace) == 1:
                return _magnitude(self.reconstruct(parts[:, :, 0], MRI(mask=sampled, **_physics(kspace))))
            return _magnitude(self.reconstruct(parts, MultiCoilMRI(mask=sampled, coil_maps=maps, **_physics(kspace))))

    module = WithPhysics()
    for part in list(module.modules()):
        if getattr(part, "unfold", None) is False:
            _unfold(part)
    for part in module.modules():
        if hasattr(part, "restart"):
            part.register_forward_pre_hook(_begin_anew)
    return from_torch(module.eval(), output_shape)


def named(name: str) -> Any:
    """Return the class of DeepInverse of this name, such as MoDL, which is a reconstruction.

    Raises:
        ImportError: DeepInverse or PyTorch is not installed, or cannot be imported.
        AttributeError: DeepInverse has no reconstruction of this name.
    """
    try:
        deepinv = import_module("deepinv")
    except ModuleNotFoundError as error:
        raise ImportError(f"it {_NEEDS}") from error
    kind, modules = deepinv.models.Reconstructor, [getattr(deepinv, module) for module in _MODULES]
    classes = {one: found for module in modules for one, found in vars(module).items() if isinstance(found, type)}
    known = {one: found for one, found in classes.items() if issubclass(found, kind) and found is not kind}
    if name not in known:
        raise AttributeError(f"DeepInverse has no reconstruction {name}{did_you_mean(name, known)}")
    return known[name]


def _physics(kspace: torch.Tensor) -> dict[str, Any]:
    return {"device": kspace.device, "implicit_backward_solver": False}


def _unfold(algorithm: Any) -> None:
    """Let an iterative algorithm keep its graph, with its terms as parts of the module, as DeepInverse unfolds it."""
    import torch

    algorithm.unfold = True
    for name in ("prior", "data_fidelity"):
        if isinstance(getattr(algorithm, name, None), list):
            setattr(algorithm, name, torch.nn.ModuleList(getattr(algorithm, name)))


def _begin_anew(part: Any, _: Any) -> None:
    part.restart = True


def _magnitude(image: torch.Tensor) -> torch.Tensor:
    """The magnitude image (ny, nx) of what a reconstruction returned."""
    import torch

    shape = tuple(image.shape) if isinstance(image, torch.Tensor) else type(image).__name__
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[0] != 1 or shape[1] not in (1, 2):
        raise ValueError(f"a reconstruction of DeepInverse returns (1, 2, ny, nx) or (1, 1, ny, nx), not {shape}")
    # The gradient of PyTorch's complex magnitude is 0 at 0, and finite.
    return torch.complex(image[0, 0], image[0, 1]).abs() if shape[1] == 2 else image[0, 0]
