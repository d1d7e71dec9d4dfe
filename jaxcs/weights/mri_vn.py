"""Published weights of the variational network of Hammernik et al. (2018), as a PyTorch port trained it anew.

The port is rixez/pytorch_mri_variationalnetwork (MIT).  Its file `varnet_coronal_pd_fs.h5` is a PyTorch file in spite
of its name, and holds three tensors for each stage:

    cell_list.T.conv_kernel (filter, 1, size, size, 2), cell_list.T.activation.w (1, filter, 1, 1, gaussian),
    cell_list.T.lamb ()

The network was trained for knees at four-fold acceleration.  These are not the weights of the paper's authors.

The port differs from the authors' code in three places.  It continues the image by "reflect" instead of "symmetric".
Its activations lack the factor of 0.4, by which the imported weights are therefore divided.  Its filters are not
constrained: their norms reach 1.62 and their means 0.057.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcs.nets.rbf import FACTOR
from jaxcs.types import Params
from jaxcs.weights.checks import checked
from jaxcs.weights.errors import WeightsError

_KERNEL, _ACTIVATION, _LAMBDA = "conv_kernel", "activation.w", "lamb"
# Limits for the numbers of stages, filters, pixels of a side and Gaussians of a made-up file.
_MOST_STAGES, _MOST = 64, 4096


def is_mri_vn(state: Mapping[str, Any]) -> bool:
    """Check whether the state has the name of the first kernel of the port."""
    return f"cell_list.0.{_KERNEL}" in state


def import_mri_vn(state: Mapping[str, Any]) -> tuple[dict[str, Any], Params]:
    """Import the network.

    Args:
        state: result of `jaxcs.weights.torch_file.read_torch_file`.

    Returns:
        The arguments of `jaxcs.nets.mri_vn.mri_vn`, and the parameters.

    Raises:
        WeightsError: If a tensor is missing or superfluous, has another shape, or is not finite.
    """
    filters, size = _sizes(state, f"cell_list.0.{_KERNEL}", 5, (0, 2))
    (gaussians,) = _sizes(state, f"cell_list.0.{_ACTIVATION}", 5, (4,))
    if size % 2 == 0 or gaussians < 2:
        raise WeightsError(f"it has filters of {size} x {size} pixels and {gaussians} Gaussians, which no network has")
    stages = 1
    while stages < _MOST_STAGES and f"cell_list.{stages}.{_KERNEL}" in state:
        stages += 1
    shapes = {_KERNEL: (filters, 1, size, size, 2), _ACTIVATION: (1, filters, 1, 1, gaussians), _LAMBDA: ()}
    names = [f"cell_list.{stage}.{name}" for stage in range(stages) for name in shapes]
    for name in names:
        if name not in state:
            raise WeightsError(f"it lacks the tensor '{name}'")
    for name in state:
        if name not in names:
            raise WeightsError(f"it holds '{name}', which the network of {stages} stages does not have")

    def stacked(name: str) -> np.ndarray:
        parts = (f"cell_list.{stage}.{name}" for stage in range(stages))
        return np.stack([checked(part, state[part], shapes[name]) for part in parts])

    params = {
        "kernel": jnp.asarray(stacked(_KERNEL)[:, :, 0].transpose(0, 2, 3, 4, 1)),
        "activation": jnp.asarray(stacked(_ACTIVATION)[:, 0, :, 0, 0].transpose(0, 2, 1) / FACTOR),
        "data_consistency": jnp.asarray(stacked(_LAMBDA)),
    }
    config = {
        "stages": stages,
        "filters": filters,
        "size": size,
        "gaussians": gaussians,
        "padding": "reflect",
        "constrained": False,
    }
    return config, params


def _sizes(state: Mapping[str, Any], name: str, axes: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths of these axes of a tensor, which has `axes` axes."""
    tensor = state.get(name)
    if not isinstance(tensor, np.ndarray) or tensor.ndim != axes:
        raise WeightsError(f"it is no variational network with given maps: it lacks the tensor '{name}'")
    sizes = tuple(tensor.shape[axis] for axis in wanted)
    if not all(1 <= size <= _MOST for size in sizes):
        raise WeightsError(f"'{name}' has shape {tensor.shape}, which no network has")
    return sizes
