"""Published weights: files of real PyTorch give the same outputs, and untrusted files can do nothing but fail."""

import io
import os
import pickle
import struct
import zipfile

import chex
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets.cascade import deep_cascade
from jaxcs.nets.unet import unet
from jaxcs.nets.varnet import varnet
from jaxcs.weights.deepmri import import_d5_c5
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.fastmri import import_unet, import_varnet
from jaxcs.weights.torch_file import read_torch_file
from tests.helpers.asserts import assert_changed_bytes_are_refused, complex_normal, relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import DATA, PARITY

FILES = PARITY / "torch_files"


def read(name):
    return read_torch_file((FILES / name).read_bytes())


# ---- Files of real PyTorch.


@pytest.fixture(scope="module")
def outputs():
    with np.load(FILES / "outputs.npz") as file:
        return dict(file)


@pytest.fixture
def compiled(one_form):
    """Compile a network in a second instead of five: without the sums for few channels, and without optimisation."""
    return lambda net: quick(net.apply)


def assert_same(left, right):
    chex.assert_trees_all_equal(left, right)


def test_the_unet_gives_what_pytorch_gives(outputs, compiled):
    config, params = import_unet(read("unet.pt"))
    assert config == {"inputs": 1, "outputs": 1, "channels": 2, "pools": 2}
    actual = compiled(unet(**config))(params, outputs["image"][..., None])[..., 0]
    assert relative_error(actual, outputs["unet"]) < 1e-5
    assert_same(import_unet(read("unet_model.pt")), (config, params))


def test_the_variational_network_gives_what_pytorch_gives(outputs, compiled):
    config, params = import_varnet(read("varnet.pt"))
    assert config == {"cascades": 2, "channels": 2, "pools": 2, "sens_channels": 2, "sens_pools": 2}
    net = varnet(**config, centre=0)
    types = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (params, jax.eval_shape(net.init, jax.random.key(0))))
    assert types[0] == types[1]
    assert relative_error(compiled(net)(params, outputs["kspace"], outputs["mask"]), outputs["varnet"]) < 1e-5
    for name in ("varnet_lightning.ckpt", "varnet_old_lightning.ckpt"):
        assert_same(import_varnet(read(name)), (config, params))


@pytest.mark.parametrize(("name", "precision"), [("unet_half.pt", jnp.float16), ("unet_bfloat16.pt", jnp.bfloat16)])
def test_low_precision_is_read_exactly(name, precision):
    low, full = (jax.tree.leaves(import_unet(read(file))[1]) for file in (name, "unet.pt"))
    for a, b in zip(low, full, strict=True):
        np.testing.assert_array_equal(a, np.asarray(b).astype(precision).astype(np.float32))


def test_tensors_may_be_views():
    stored = np.arange(12, dtype=np.float32)
    content = archive(entry("w", tensor(shape=(2, 3), strides=(1, 4), offset=2)), {"0": stored.tobytes()})
    np.testing.assert_array_equal(read_torch_file(content)["w"], [[2, 6, 10], [3, 7, 11]])


# ---- Weights that do not fit the network.


def changed(**changes):
    state = read("unet.pt")
    for name, value in changes.items():
        name = name.replace("__", ".")
        state = {key: old for key, old in state.items() if key != name} | ({} if value is None else {name: value})
    return state


def infinite(value, kernel="conv.layers.4.weight"):
    array = read("unet.pt")[kernel].copy()
    array.flat[5] = value
    return array


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (changed(conv__layers__4__weight=None), "lacks the tensor 'conv.layers.4.weight'"),
        (changed(conv__layers__0__bias=np.zeros(8)), "holds 'conv.layers.0.bias', which the network does not have"),
        (changed(conv__layers__4__weight=np.zeros((8, 8, 1, 1))), r"'conv.layers.4.weight' has shape \(8, 8, 1, 1\)"),
        (changed(conv__layers__4__weight=infinite(np.nan)), "'conv.layers.4.weight' has values that are not finite"),
        (changed(conv__layers__4__weight=infinite(np.inf)), "'conv.layers.4.weight' has values that are not finite"),
        (changed(conv__layers__4__weight=np.full((8, 8, 3, 3), 1e300)), "values that are not finite"),
        (changed(conv__layers__4__weight=np.zeros((8, 8, 3, 3), int)), "'conv.layers.4.weight' is of type int64"),
        (changed(conv__layers__4__weight="text"), "'conv.layers.4.weight' is no array"),
        (changed(down_sample_layers__0__layers__0__weight=np.zeros((0, 1, 3, 3))), "has 1 inputs, 1 outputs, 0 chan"),
        (changed(up_conv__1__1__bias=np.zeros(9999)), "9999 outputs"),
        (changed(**{"a\nname\x1b": np.zeros(1)}), r"holds 'a\?name\?'"),
        ({}, "holds no weights"),
        ({"state_dict": {}}, "holds no weights"),
        ({"state_dict": {1: 2}}, "holds no weights"),
        ({"state_dict": read("unet.pt") | {1: 2}}, "names that are not text"),
        ({"classifier.weight": np.zeros(3)}, "is no U-Net of fastMRI"),
        (read("varnet.pt"), "is no U-Net of fastMRI"),
    ],
)
def test_what_is_not_the_unet_is_refused(state, problem):
    assert_refused(import_unet, state, problem)


def without(state, part):
    return {name: value for name, value in state.items() if part not in name}


def narrower(state):
    """The second cascade with one channel, according to its first kernel."""
    name = "cascades.1.model.unet.down_sample_layers.0.layers.0.weight"
    return state | {name: state[name][:1]}


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (read("unet.pt"), "is no variational network of fastMRI"),
        (without(read("varnet.pt"), "sens_net"), "lacks the kernel 'sens_net.norm_unet.unet.down_sample"),
        (without(read("varnet.pt"), "cascades.0."), "lacks the kernel 'cascades.0.model.unet.down_sample"),
        (without(read("varnet.pt"), "cascades.1.dc_weight"), "lacks the tensor 'cascades.1.dc_weight'"),
        (narrower(read("varnet.pt")), "'cascades.1.model.unet.bottom|'cascades.1.model.unet.conv.layers.0.weight' has"),
        (read("varnet.pt") | {"cascades.3.dc_weight": np.ones(1)}, "holds 'cascades.3.dc_weight', which"),
    ],
)
def test_what_is_not_the_variational_network_is_refused(state, problem):
    assert_refused(import_varnet, state, problem)


# ---- Untrusted files.


def literal(value):
    """Give the operations that put a plain value on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def call(name, *arguments):
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def storage(kind="FloatStorage", key="0", size=12):
    return (
        b"(" + literal("storage") + f"ctorch\n{kind}\n".encode() + literal(key) + literal("cpu") + literal(size) + b"tQ"
    )


def tensor(shape=(3, 4), strides=(4, 1), offset=0, stored=None):
    plain = [literal(value) for value in (offset, shape, strides, False)]
    return call("torch._utils _rebuild_tensor_v2", stored or storage(), *plain, call("collections OrderedDict"))


def entry(name, value):
    return b"\x80\x02}" + literal(name) + value + b"s."


def archive(program, storages=None, compression=zipfile.ZIP_STORED):
    """Give a file of this pickle as torch.save writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr("archive/data.pkl", program)
        for key, content in (storages if storages is not None else {"0": bytes(48)}).items():
            out.writestr(f"archive/data/{key}", content)
        out.writestr("archive/version", "3\n")
    return file.getvalue()


def assert_refused(function, value, problem):
    with pytest.raises(WeightsError, match=problem) as caught:
        function(value)
    assert str(caught.value).isprintable()


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval])
def test_nothing_in_a_file_is_called(tmp_path, function, protocol):
    marker = tmp_path / "called"
    command = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    content = archive(pickle.dumps({"state_dict": Calls(function, command)}, protocol))
    assert_refused(read_torch_file, content, "'posix.system'|'(__builtin__|builtins).eval'|the operation 0x64")
    assert not marker.exists()


NESTED = b"K\x00" + b"q\x00" + b"0h\x00h\x00\x86q\x00" * 60


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no file of torch.save"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "no file of torch.save"),
        ((FILES / "unet_legacy.pt").read_bytes(), "old format"),
        ((FILES / "unet.pt").read_bytes()[:9000], "cut short"),
        (archive(entry("w", tensor()))[30:], "damaged|cut short"),
        (archive(entry("w", tensor()), compression=zipfile.ZIP_DEFLATED), "compressed"),
        (archive(b"\x80\x02}" + bytes(17 * 2**20)), "more than the limit"),
        (archive(entry("w", tensor())[:-1]), "pickle is damaged"),
        (archive(b""), "pickle is"),
        (archive(entry("w", tensor()), {}), "lacks its member 'data/0'"),
        (archive(entry("w", tensor(stored=storage(key="../data.pkl")))), r"lacks its member 'data/../data.pkl'"),
        (archive(entry("w", tensor(stored=storage(size=13)))), "storage '0' has 48 bytes"),
        (archive(entry("w", tensor(stored=storage(size=-12)))), "storage '0' has 48 bytes"),
        (archive(entry("w", tensor(stored=storage(kind="DoubleStorage")))), "storage '0' has 48 bytes"),
        (archive(entry("w", tensor(stored=storage(kind="QInt8Storage")))), "'torch.QInt8Storage', which is refused"),
        (archive(entry("w", tensor(stored=literal("text")))), "pickle is damaged"),
        (archive(entry("w", tensor(strides=(5, 1)))), "does not fit into its storage of 12"),
        (archive(entry("w", tensor(strides=(-4, 1)))), "not plain counts"),
        (archive(entry("w", tensor(strides=(2**70, 1)))), "not plain counts"),
        (archive(entry("w", tensor(offset=1))), "does not fit into its storage"),
        (archive(entry("w", tensor(offset=-1))), "not plain counts"),
        (archive(entry("w", tensor(shape=(2**30, 4), strides=(0, 1)))), "does not fit into its storage"),
        (archive(entry("w", tensor(shape=(3, 4, 1)))), "3 axes and 2 strides"),
        (archive(entry("w", tensor(shape=(1,) * 33, strides=(1,) * 33))), "33 axes"),
        (archive(entry("w", b"cos\nsystem\n")), "'os.system', which is refused"),
        (archive(entry("w", b"ccollections\nOrderedDict\n" + literal(("a",)) + b"R")), "pickle is damaged"),
        (archive(entry("w", literal("a") + b"\x85" + literal({}) + b"b")), "pickle is damaged"),
        (archive(b"\x80\x02}" + NESTED + b"K\x01s."), "the operation 0x30"),
        (archive(b"\x80\x02}" + b"K\x00" + b"\x85" * 100_000 + b"K\x01s."), "key of type tuple"),
        (archive(b"\x80\x02]" + b"r" + struct.pack("<I", 2**32 - 1) + b"."), "no dictionary of weights"),
        (archive(literal("w") + b"."), "no dictionary of weights"),
        (archive(b"\x80\x02" + literal({1: 2}) + b"."), "no dictionary of weights"),
    ],
)
def test_hostile_files_are_refused_in_one_line(content, problem):
    assert_refused(read_torch_file, content, problem)


def test_pickles_of_very_many_operations_are_refused(monkeypatch):
    monkeypatch.setattr("jaxcs.weights.torch_pickle.MOST_OPERATIONS", 1000)
    assert_refused(read_torch_file, archive(b"\x80\x02" + b"]" * 1000 + b"."), "more than the 1000 operations")


def test_changed_bytes_end_in_a_refusal_or_in_plain_values():
    assert_changed_bytes_are_refused(read_torch_file, (FILES / "unet_model.pt").read_bytes())


# ---- The published deep cascade.


def published_shapes():
    kernels = [(64, 2, 3, 3), *[(64, 64, 3, 3)] * 3, (2, 64, 3, 3)] * 5
    return [shape for kernel in kernels for shape in (kernel, kernel[:1])]


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return {
        f"arr_{i}": (rng.normal(size=shape) * 0.06).astype(np.float32) for i, shape in enumerate(published_shapes())
    }


def original_network(arrays, kspace, mask):
    """The published computation in NumPy: transforms without shifts, lines along the first axis, correlations."""
    image = np.fft.ifft2(kspace, norm="ortho")
    for cascade in range(5):
        x = np.stack([image.real, image.imag])
        for layer in range(5):
            kernel, bias = (arrays[f"arr_{10 * cascade + 2 * layer + i}"] for i in (0, 1))
            padded = np.pad(np.maximum(x, 0) if layer else x, [(0, 0), (1, 1), (1, 1)])
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
            x = np.einsum("iyxab,oiab->oyx", windows, kernel, optimize=True) + bias[:, None, None]
        refined = np.fft.fft2(image + x[0] + 1j * x[1], norm="ortho")
        image = np.fft.ifft2(np.where(mask[:, None], kspace, refined), norm="ortho")
    return image


def test_the_imported_cascade_computes_what_the_original_does(arrays, compiled):
    rng = np.random.default_rng(1)
    image = np.asarray(complex_normal(rng, (15, 18)))
    mask = rng.uniform(size=18) < 0.4
    at_corner = np.fft.ifftshift(mask)
    expected = original_network(arrays, np.fft.fft2(image.T, norm="ortho") * at_corner[:, None], at_corner).T
    actual = compiled(deep_cascade())(import_d5_c5(arrays), fft2c(image), mask)
    assert relative_error(expected, ifft2c(fft2c(image) * mask)) > 0.05
    assert relative_error(actual, expected) < 1e-5
    assert relative_error(fft2c(actual)[:, mask], fft2c(image)[:, mask]) < 1e-5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"arr_7": None}, "lacks the array 'arr_7'"),
        ({"arr_50": np.zeros(2)}, "holds 'arr_50'"),
        ({"arr_8": np.zeros((2, 64, 3, 1))}, "'arr_8' has shape"),
        ({"arr_9": np.full(2, np.nan)}, "'arr_9' has values that are not finite"),
        ({"arr_9": np.zeros(2, complex)}, "'arr_9' is of type complex128"),
    ],
)
def test_other_arrays_are_not_d5_c5(arrays, change, problem):
    assert_refused(
        import_d5_c5, {name: value for name, value in (arrays | change).items() if value is not None}, problem
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="the published weights and the images are not beside the repository")
def test_the_published_weights_restore_a_real_image():
    with np.load(DATA / "weights" / "d5_c5.npz", allow_pickle=False) as file:
        params = import_d5_c5(dict(file))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 565_770
    with h5py.File(DATA / "images" / "body_kellman.h5") as file:
        image = np.abs(file["PKdata9"][()])
    # The lines of one column mask are independent except for the kernels, so a few rows are enough.
    image = (image / image.max())[112:144]
    mask = np.zeros(256, bool)
    mask[np.random.RandomState(0).choice(256, 56, replace=False)] = True
    mask[124:132] = True
    kspace = fft2c(image) * mask
    found = (ifft2c(kspace), jax.jit(deep_cascade().apply)(params, kspace, mask))
    before, after = (float(np.mean(np.abs(found - image) ** 2)) for found in found)
    assert 10 * np.log10(before / after) > 3
