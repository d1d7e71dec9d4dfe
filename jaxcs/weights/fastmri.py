"""Import of the U-Net and the variational network that the `fastmri` package, or an older copy of it, saved.

Zbontar et al., arXiv:1811.08839, and Sriram et al., MICCAI 2020, describe the networks.  The shapes give the
configuration.  Then every tensor of the network must be present, and no other.

PyTorch's kernels are (out, in, y, x), and (in, out, y, x) for its transposed convolution.  The kernels here are (y, x,
in, out).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcs.keys import new_key
from jaxcs.nets.unet import unet
from jaxcs.types import Params
from jaxcs.weights.checks import checked
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.nested import State, holds, network_state, plain_entries, reading

_FIRST = "down_sample_layers.0.layers.0.weight"  # of a U-Net
_VARNET = "variational network"
_SENSITIVITY = "sens_net.norm_unet.unet."
# Names to ignore: the window of the SSIM loss, the sums of Lightning's metrics, and a constant that old cascades kept.
_IGNORED = re.compile(
    r"((.*\.)?(loss|ssim_loss)\.w|(NMSE|SSIM|PSNR|ValLoss|TotExamples|TotSliceExamples)\.quantity"
    r"|(.*\.)?cascades\.\d+\.zero)"
)
# fastMRI's largest network has 256 channels and 4 pools.  The limits keep the shapes of a made-up file within bounds.
_MOST_POOLS = 10
_MOST_CHANNELS = 4096


def is_varnet(state: Mapping[str, Any]) -> bool:
    """Check whether the state holds the weights of a variational network, however they are wrapped."""
    return holds(state, _SENSITIVITY + _FIRST)


def import_unet(state: Mapping[str, Any]) -> tuple[dict[str, int], Params]:
    """Import a U-Net.

    Args:
        state: result of `read_torch_file`: a state_dict, or a checkpoint that contains a state_dict, see
            `jaxcs.weights.nested`.

    Returns:
        The arguments of `jaxcs.nets.unet.unet`, and the parameters.

    Raises:
        WeightsError: If the state is not the whole of one U-Net.
    """
    what = "U-Net"
    found = network_state(state, _FIRST, what)
    with reading(found):
        tensors = _tensors(found)
        config, params = _unet(tensors, "", what)
        _check_nothing_left(tensors)
    return config, jax.tree.map(jnp.asarray, params)


def import_varnet(state: Mapping[str, Any]) -> tuple[dict[str, int], Params]:
    """Import a variational network.

    Args:
        state: as for `import_unet`.

    Returns:
        The arguments of `jaxcs.nets.varnet.varnet` except `centre`, and the parameters.

    Raises:
        WeightsError: If the state is not the whole of one variational network, with cascades of equal size.
    """
    found = network_state(state, _SENSITIVITY + _FIRST, _VARNET)
    with reading(found):
        return _varnet(_tensors(found))


def _varnet(tensors: dict[str, Any]) -> tuple[dict[str, int], Params]:
    """Take a variational network out of the tensors, which must hold nothing else."""
    sens_config, sensitivity = _unet(tensors, _SENSITIVITY, _VARNET)
    configs: list[dict[str, int]] = []
    networks: list[Params] = []
    weights: list[np.ndarray] = []
    while not networks or any(name.startswith(f"cascades.{len(networks)}.") for name in tensors):
        prefix = f"cascades.{len(networks)}."
        config, network = _unet(tensors, f"{prefix}model.unet.", _VARNET)
        configs.append(config)
        networks.append(network)
        weights.append(_take(tensors, f"{prefix}dc_weight", (1,))[0])
        if config != configs[0]:
            raise WeightsError(f"'{prefix}' has {_words(config)}, but the first cascade {_words(configs[0])}")
    for prefix, config in (("sens_net.", sens_config), ("cascades.", configs[0])):
        if (config["inputs"], config["outputs"]) != (2, 2):
            raise WeightsError(f"'{prefix}' has {_words(config)}, where a complex image has 2 inputs and 2 outputs")
    _check_nothing_left(tensors)
    params = {
        "sensitivity": sensitivity,
        "cascades": jax.tree.map(lambda *leaves: np.stack(leaves), *networks),
        "data_consistency": np.array(weights),
    }
    config = {
        "cascades": len(networks),
        "channels": configs[0]["channels"],
        "pools": configs[0]["pools"],
        "sens_channels": sens_config["channels"],
        "sens_pools": sens_config["pools"],
    }
    return config, jax.tree.map(jnp.asarray, params)


def _tensors(state: State) -> dict[str, Any]:
    """The network's entries by their names in the plain network."""
    entries = {name: value for name, value in state.entries.items() if not _IGNORED.fullmatch(str(name))}
    return plain_entries(state._replace(entries=entries))


def _unet(tensors: dict[str, Any], prefix: str, what: str) -> tuple[dict[str, int], Params]:
    """Take the U-Net whose names begin with the prefix out of the tensors: its arguments and its parameters."""
    first = f"{prefix}{_FIRST}"
    kernel = tensors.get(first)
    if not isinstance(kernel, np.ndarray) or kernel.ndim != 4:
        raise WeightsError(f"it is no {what} of fastMRI: it lacks the kernel '{first}'")
    pools = 1
    while f"{prefix}down_sample_layers.{pools}.layers.0.weight" in tensors and pools < _MOST_POOLS:
        pools += 1
    last = f"{prefix}{_name(['last', 'bias'], pools)}"
    bias = tensors.get(last)
    if not isinstance(bias, np.ndarray) or bias.ndim != 1:
        raise WeightsError(f"it is no {what} of fastMRI with {pools} pools: it lacks the bias '{last}'")
    config = {"inputs": kernel.shape[1], "outputs": len(bias), "channels": len(kernel), "pools": pools}
    if not all(1 <= number <= _MOST_CHANNELS for number in config.values()):
        raise WeightsError(f"it is no {what}: by '{first}' and '{last}' it has {_words(config)}")

    def parameter(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        names = [entry.key for entry in path]
        name = prefix + _name(names, pools)
        if names[-1] == "bias":
            return _take(tensors, name, leaf.shape)
        axes = (2, 3, 0, 1) if names[0].startswith("raise") else (2, 3, 1, 0)
        shape = (1, 1, *leaf.shape)[-4:]
        kernel = _take(tensors, name, tuple(shape[axes.index(axis)] for axis in range(4)))
        return kernel.transpose(axes).reshape(leaf.shape)

    return config, jax.tree_util.tree_map_with_path(parameter, _shapes(**config))


@lru_cache(maxsize=8)
def _shapes(**config: int) -> Any:
    return jax.eval_shape(unet(**config).init, new_key(0))


def _name(path: list[str], pools: int) -> str:
    """fastMRI's name of the parameter at this path of the parameter tree."""
    block, leaf = path[0], path[-1]
    kind = block.rstrip("0123456789")
    level = int(block.removeprefix(kind) or 0)
    up = pools - 1 - level
    module = {
        "down": f"down_sample_layers.{level}",
        "bottom": "conv",
        "raise": f"up_transpose_conv.{up}",
        # The last block and the 1 x 1 convolution after it form one sequence.
        "up": f"up_conv.{up}.0" if level == 0 else f"up_conv.{up}",
        "last": f"up_conv.{pools - 1}.1",
    }[kind]
    layer = {"first": ".layers.0", "second": ".layers.4", "raise": ".layers.0", "last": ""}
    return f"{module}{layer[kind if len(path) == 2 else path[1]]}.{'bias' if leaf == 'bias' else 'weight'}"


def _take(tensors: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Take the tensor `name` out of the tensors, checked."""
    if name not in tensors:
        raise WeightsError(f"it lacks the tensor '{name}'")
    return checked(name, tensors.pop(name), shape)


def _check_nothing_left(tensors: dict[str, Any]) -> None:
    if tensors:
        others = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
        raise WeightsError(f"it holds '{next(iter(tensors))}'{others}, which the network does not have")


def _words(config: dict[str, int]) -> str:
    return ", ".join(f"{value} {name}" for name, value in config.items())
