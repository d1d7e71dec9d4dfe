"""The deep cascade as a method: a published PyTorch code, the published weights, arrays of NumPy from strangers."""

import io
import zipfile

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.fourier import fft2c, ifft2c
from jaxcs.masks import nested
from jaxcs.nets import count_parameters
from jaxcs.nets.cascade import deep_cascade
from jaxcs.recon import deepmri
from jaxcs.types import Measurement
from jaxcs.weights.deepmri import import_d5_c5
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.npz_file import read_npz
from tests.helpers.asserts import assert_changed_bytes_are_refused, complex_normal, relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import DATA, PARITY

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
STORED = PARITY / "published_cascades.npz"
WEIGHTS = DATA / "weights" / "d5_c5.npz"
needs_data = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the published weights are not beside the repository")


# ---- The published code.


@pytest.fixture(scope="module")
def stored():
    return read_npz(STORED.read_bytes())


def outputs(stored, case, net, params):
    image, mask, out = (stored[f"deep_cascade|{case}|{name}"] for name in ("image", "mask", "out"))
    assert relative_error(ifft2c(jnp.where(mask, fft2c(image), 0)), out) > 0.02
    return quick(net.apply)(params, fft2c(image), jnp.asarray(mask)), out


def test_drawn_weights_give_what_the_published_code_gives(stored):
    layers = [f"layer{i}" for i in range(3)]
    params = {
        layer: {name: stored[f"deep_cascade|drawn|{layer}|{name}"] for name in ("kernel", "bias")} for layer in layers
    }
    assert relative_error(*outputs(stored, "drawn", deep_cascade(2, 3, 4), params)) < 1e-5


@needs_data
def test_the_published_weights_give_what_the_published_code_gives(stored):
    params = import_d5_c5(read_npz(WEIGHTS.read_bytes()))
    assert relative_error(*outputs(stored, "published", deep_cascade(), params)) < 1e-5


# ---- The method.


def test_the_presets_have_the_parameters_that_they_should():
    sizes = [count_parameters(deepmri.build(deepmri.PRESETS[name])) for name in ("paper", "small")]
    assert sizes == [565_770, 14_570]


def problem(shape=(8, 9), coils=1):
    rng = np.random.default_rng(0)
    mask = jnp.asarray(rng.random(shape[1]) < 0.5)
    kspace = jnp.where(mask, complex_normal(rng, (coils, *shape)), 0)
    return Measurement(kspace, mask, jnp.ones((coils, *shape), jnp.complex64))


def test_the_method_knows_no_scale_and_agrees_with_the_data():
    config, m = deepmri.Config(2, 3, 4), problem()
    params = deepmri.build(config).init(KEY)
    predict = quick(deepmri.predict(config))
    found, image = predict(params, m), quick(deepmri.build_complex(config))(params, m)
    assert relative_error(found.image, jnp.abs(image)) < 1e-6
    assert relative_error(found.coils, image[None]) < 1e-6
    assert relative_error(fft2c(image)[:, m.mask], m.kspace[0][:, m.mask]) < 1e-5
    assert relative_error(fft2c(image), m.kspace[0]) > 0.1
    assert relative_error(predict(params, m._replace(kspace=100 * m.kspace)).image, 100 * found.image) < 1e-5
    plain = quick(deepmri.build_complex(deepmri.Config(2, 3, 4, scale="given")))
    size = jnp.max(jnp.abs(ifft2c(m.kspace)))
    assert relative_error(size * plain(params, m._replace(kspace=m.kspace / size)), image) < 1e-5
    assert np.all(np.isfinite(predict(params, m._replace(kspace=0 * m.kspace)).image))


def test_several_coils_are_refused():
    config = deepmri.Config(1, 2, 1)
    with pytest.raises(ValueError, match="one coil, the measurement has 2; combine"):
        deepmri.predict(config)(deepmri.build(config).init(KEY), problem(coils=2))


@pytest.mark.parametrize("wrong", [{"cascades": 0}, {"layers": 1}, {"channels": 0}, {"scale": "mean"}])
def test_a_configuration_checks_itself(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        deepmri.Config(**wrong)


HEARTS = [f"PKdata{number}" for number in range(1, 9)]
RATES = tuple(float(rate) for rate in range(14, 1, -1))


def restored(reconstruct, params, image, accelerations):
    """PSNR of the published network at each acceleration, with nested masks of 8 central columns [dB]."""
    image = image / image.max()
    ny, nx = image.shape
    masks, quality = nested.family("gaussian", (ny, nx), RATES, 8 / nx, 0), []
    for mask in (masks[acceleration] for acceleration in accelerations):
        m = Measurement(jnp.asarray((fft2c(image) * mask)[None]), jnp.asarray(mask), jnp.ones((1, ny, nx)))
        quality.append(-10 * np.log10(np.mean((reconstruct(params, m).image - image) ** 2)))
    return quality


@needs_data
def test_the_published_network_restores_hearts_and_more_samples_restore_them_better():
    params = import_d5_c5(read_npz(WEIGHTS.read_bytes()))
    reconstruct = jax.jit(deepmri.predict(deepmri.PRESETS["paper"]))
    with h5py.File(DATA / "images" / "body_kellman.h5") as file:
        images = [np.abs(file[name][()]) for name in HEARTS]
    at_three = [restored(reconstruct, params, image, (3.0,))[0] for image in images]
    assert np.mean(at_three) == pytest.approx(37, abs=1)
    quality = restored(reconstruct, params, images[-1], RATES)
    assert np.all(np.diff(quality) > 0), quality


# ---- Arrays of NumPy from strangers.


def saved(function=np.savez, **arrays):
    file = io.BytesIO()
    function(file, **arrays)
    return file.getvalue()


def test_arrays_come_back_as_they_were_saved():
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.normal(size=(3, 4, 2)).astype(np.float32),
        "b": np.asfortranarray(rng.normal(size=(3, 5))),
        "scalar": np.array(3),
        "vector": np.arange(7, dtype=np.int16),
        "bool": np.array([True, False]),
        "complex": np.ones((2, 1), np.complex64),
        "big": np.arange(3, dtype=">f4"),
        "empty": np.zeros((0, 3)),
    }
    for content in (saved(**arrays), saved(np.savez_compressed, **arrays)):
        found = read_npz(content)
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


def archive(*members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        for name, content in members:
            out.writestr(name, content)
    return file.getvalue()


def member(descr="<f4", shape="(2,)", content=bytes(8), version=1, order="False"):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 * version, "little") + header + content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no file of numpy.savez"),
        (saved(a=np.zeros(9))[:60], "cut short"),
        (archive(("a.txt", b"text")), "'a.txt' is no array"),
        (archive(("a.npy", b"text")), "'a' is no array of NumPy"),
        (archive(("a.npy", member(version=3))), "'a' is no array of NumPy"),
        (archive(("a.npy", member(shape="(3,)"))), "'a' has 8 bytes"),
        (archive(("a.npy", member(shape="(1000000000000, 1000000000000)"))), "'a' has 8 bytes"),
        (archive(("a.npy", member(shape="(-2,)"))), "no plain array"),
        (archive(("a.npy", member(shape="(1,1,1,1,1,1,1,1,2)"))), "'a' has 8 bytes"),
        (archive(("a.npy", member(shape="2"))), "no plain array"),
        (archive(("a.npy", member(shape="(1 1)"))), "no plain array|damaged"),
        (archive(("a.npy", member(descr="<f3"))), "a type that NumPy does not have"),
        (archive(("a.npy", member(order="open('x')"))), "no plain array"),
        (saved(a=np.array([print], dtype=object)), "no plain array"),
        (saved(a=np.array(["text"])), "no plain array"),
        (saved(a=np.zeros(2, [("x", "f4")])), "no plain array"),
        (saved(np.savez_compressed, a=np.zeros(10**6)), "declare 8000128 bytes, too many"),
    ],
)
def test_hostile_files_are_refused_in_one_line(content, problem):
    with pytest.raises(WeightsError, match=problem) as caught:
        read_npz(content)
    assert str(caught.value).isprintable()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused():
    with pytest.raises(WeightsError, match="there twice"):
        read_npz(archive(("a.npy", member()), ("a.npy", member())))


def test_changed_bytes_end_in_a_refusal_or_in_arrays():
    rng = np.random.default_rng(0)
    assert_changed_bytes_are_refused(
        read_npz, saved(np.savez_compressed, a=rng.normal(size=40), b=rng.normal(size=(3, 4)))
    )
