"""Checkpoints as trainings wrap them: the network is found by structure, or the error says what was found."""

import io
import pickle
import zipfile

import chex
import numpy as np
import pytest

from data_prep.cases import InputError
from data_prep.weights import read_weights
from jaxcs.weights.torch_file import read_torch_file
from tests.helpers.places import PARITY
from tests.jaxcs.test_weights_import import archive, literal, storage, tensor

FILES = PARITY / "torch_files"
UNET, VARNET = (read_torch_file((FILES / name).read_bytes()) for name in ("unet.pt", "varnet.pt"))


def pickled(value, storages):
    """Give the operations that put a value on the stack: nested dictionaries of arrays and plain values."""
    if isinstance(value, dict):
        return b"}(" + b"".join(literal(key) + pickled(entry, storages) for key, entry in value.items()) + b"u"
    if not isinstance(value, np.ndarray):
        return literal(value)
    key = str(len(storages))
    array = np.ascontiguousarray(value, np.float32)
    storages[key] = array.tobytes()
    strides = tuple(step // 4 for step in array.strides)
    return tensor(array.shape, strides, stored=storage(key=key, size=array.size))


def saved(path, checkpoint):
    """Write a checkpoint as torch.save does."""
    storages: dict[str, bytes] = {}
    path.write_bytes(archive(b"\x80\x02" + pickled(checkpoint, storages) + b".", storages))
    return path


def renamed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


OPTIMISER = {"state": {0: {"exp_avg": np.ones(3)}}, "param_groups": [{"lr": 0.1}]}
WRAPPED = {
    **{
        key: {"epoch": 3, key: UNET, "optimizer": OPTIMISER}
        for key in ("model_state_dict", "net", "weights", "params_ema", "anything at all")
    },
    "keys in keys": {"checkpoint": {"models": {"generator": UNET}}},
    "prefix": renamed(UNET, "netG."),
    "prefixes": {"state_dict": renamed(UNET, "module._orig_mod.my_network.")},
    "shallowest": {"state_dict": renamed(UNET, "unet."), "callbacks": {"EMA": {"weights": UNET}}},
    "varnet": {"model_state_dict": renamed(VARNET, "module.model.")},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_network_is_found_however_it_is_wrapped(tmp_path, name):
    plain = read_weights(FILES / ("varnet.pt" if name == "varnet" else "unet.pt"))
    found = read_weights(saved(tmp_path / "wrapped.pt", WRAPPED[name]))
    assert (found.method, found.config) == (plain.method, plain.config)
    chex.assert_trees_all_equal(found.params, plain.params)


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


LACKING = without(UNET, "conv.layers.4.weight")
UNUSABLE = {
    "several": (
        {"net": UNET, "ema": UNET},
        "it is no U-Net of fastMRI but 2, at ['net'], ['ema']: save the one to use, such as by "
        "torch.save(torch.load(FILE)['ema'], NEW)",
    ),
    "several prefixes": (
        renamed(UNET, "ema.") | renamed(UNET, "net."),
        "but 2, at 'ema.', 'net.': save the one to use",
        "torch.save({k: v for k, v in torch.load(FILE).items() if k.startswith('net.')}, NEW)",
    ),
    "another beside": (
        {"gan": renamed(UNET, "netG.") | {"netD.weight": np.ones(3)}},
        "it holds 'netD.weight' beside the network ['gan'] under 'netG.'",
        "if k.startswith('netG.')",
    ),
    "a layer missing": (
        {"net": renamed(LACKING, "netG.")},
        "in ['net'] under 'netG.': it lacks the tensor 'conv.layers.4.weight'",
    ),
    "another network": (
        {"epoch": 1, "net": {"encoder.weight": np.ones(3)}, "head": {"bias": np.ones(2), "weight": np.ones(2)}},
        "it lacks the kernel 'down_sample_layers.0.layers.0.weight'; it holds",
        "1 tensors at ['net'], such as 'encoder.weight', 2 tensors at ['head'], such as 'bias'",
    ),
    "no tensors": ({"epoch": 1, "net": {"a": "b"}}, "it holds no weights"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_the_line_says_what_was_found_where(tmp_path, name):
    checkpoint, *words = UNUSABLE[name]
    path = saved(tmp_path / "wrapped.pt", checkpoint)
    with pytest.raises(InputError) as caught:
        read_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_checkpoint_that_refers_to_itself_ends(tmp_path):
    inner: dict[str, object] = {"a": 1}
    inner["itself"] = inner
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("archive/data.pkl", pickle.dumps(inner, 2))
    path = tmp_path / "itself.pt"
    path.write_bytes(file.getvalue())
    with pytest.raises(InputError, match="holds no weights"):
        read_weights(path)
