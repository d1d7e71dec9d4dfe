"""bench.export: exported functions equal the library's own and run without it, and mistakes are one line."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export as jax_export

import jaxcs
from bench import export
from bench.deploy import artefacts as artefacts_module
from bench.deploy.artefacts import PLATFORMS, artefacts, lower
from jaxcs import catalogue
from jaxcs.complex import value_and_ascent
from jaxcs.recon import METHODS, l1, normalise, unet, varnet
from jaxcs.threats import balls
from jaxcs.types import Measurement
from jaxcs.weights import archive
from tests.bench.test_survival import largest_file
from tests.helpers.asserts import complex_normal, relative_error

SHAPE = (4, 32, 32)
SLICES = 3
SMALL = {
    "l1": l1.Config(n_iters=6, levels=2),
    "unet": unet.Config(channels=4, pools=1),
    "varnet": varnet.Config(cascades=1, channels=2, pools=1, sens_channels=2, sens_pools=1),
}
FLAGS = ["--method", "l1", "--set", "n_iters=6", "levels=2", "--shape", *map(str, SHAPE)]
STEP, EPSILON = 2.0, 0.05


def built(name):
    """A small variant of a method, and random parameters."""
    method = METHODS[name].build(SMALL[name])
    params = method.init(jax.random.key(1))
    if name == "varnet":  # its last layer begins at zero, which would switch the network off
        params = jax.tree.map(lambda leaf: leaf + 0.01, params)
    return method, params


def scans():
    """Smooth discs seen by smooth coils, each under its own mask: a batch of raw k-space, masks and maps."""
    rng = np.random.default_rng(0)
    v, u = np.meshgrid(np.linspace(-1, 1, SHAPE[1]), np.linspace(-1, 1, SHAPE[2]), indexing="ij")
    image = np.stack([((u - a) ** 2 + v**2 < 0.5) * np.exp(1j * b * u) for a, b in rng.uniform(-0.3, 0.3, (SLICES, 2))])
    maps = np.stack([np.exp(-((u - a) ** 2) - (v - b) ** 2 + 1j * a) for a, b in rng.uniform(-1, 1, (SHAPE[0], 2))])
    maps = np.broadcast_to(maps / np.linalg.norm(maps, axis=0), (SLICES, *SHAPE)).astype(np.complex64)
    mask = rng.uniform(size=(SLICES, SHAPE[2])) < 0.4
    mask[:, 12:20] = True
    axes = (-2, -1)
    coils = np.fft.ifftshift(maps * image[:, None] + 0.01 * np.asarray(complex_normal(rng, maps.shape)), axes)
    kspace = np.fft.fftshift(np.fft.fft2(coils, norm="ortho"), axes)
    return 1e-4 * np.where(mask[:, None, None], kspace, 0).astype(np.complex64), mask, maps


RAW, MASK, MAPS = scans()
SCAN = Measurement(*(jnp.asarray(one) for one in (RAW, MASK, MAPS)))
SCALED = jax.vmap(normalise)(SCAN)[0]


def reloaded(exported):
    """The module that a reader of the file gets; without flatbuffers, which files need, the module itself."""
    try:
        return jax_export.deserialize(exported.serialize())
    except ImportError:
        return exported


@pytest.mark.parametrize("name", SMALL)
def test_reconstructions_are_those_of_the_library(name):
    method, params = built(name)
    exported = reloaded(lower(artefacts(method, params, SHAPE)["reconstruct"]))
    assert exported.platforms == PLATFORMS
    assert os.path.dirname(jaxcs.__file__).encode() not in exported.mlir_module_serialized
    expected = jax.vmap(lambda one: method.apply(params, one, jax.random.key(0)))(SCALED)
    # Each size is compiled anew, and VarNet takes longest.
    for count in (SLICES,) if name == "varnet" else (1, SLICES):
        found = exported.call(*(leaf[:count] for leaf in SCALED))
        assert found.dtype == jnp.float32
        assert relative_error(found, expected[:count]) < 1e-5


# VarNet takes as long as all else here, and adds nothing to the other methods.
@pytest.mark.parametrize("name", ["l1", "unet"])
def test_an_attack_step_is_that_of_the_library(name):
    method, params = built(name)
    exported = reloaded(lower(artefacts(method, params, SHAPE)["attack_step"]))
    assert exported.platforms == PLATFORMS
    rng = np.random.default_rng(1)
    reference = jnp.abs(complex_normal(rng, (SLICES, *SHAPE[1:])))
    start = 0.01 * complex_normal(rng, RAW.shape)

    def library(scan, reference, start):
        allowed = balls.measured(EPSILON, scan.kspace, scan.mask)
        image = lambda delta: method.apply(params, scan._replace(kspace=scan.kspace + delta), jax.random.key(0))  # noqa: E731
        value, gradient = value_and_ascent(lambda delta: jnp.sum((image(delta) - reference) ** 2))(start)
        return allowed.project(start + STEP * allowed.boundary(gradient)), value, allowed.radius

    moved, loss, radius = jax.jit(jax.vmap(library))(SCALED, reference, start)
    found, found_loss = exported.call(*SCALED, start, reference, radius, jnp.full(SLICES, STEP))
    # A splitting method carries its rounding errors on, far below its stopping tolerance of 3e-4.
    assert relative_error(found, moved) < (1e-4 if name == "l1" else 1e-5)
    assert relative_error(found_loss, loss) < 1e-5
    assert not np.any(np.asarray(found)[~np.broadcast_to(MASK[:, None, None], RAW.shape)])
    assert np.all(np.linalg.norm(np.asarray(found).reshape(SLICES, -1), axis=1) <= 1.00001 * radius)


def test_the_forms_for_accelerators_compute_the_same():
    # The forms for accelerators have other convolutions than the CPU's.  As plain StableHLO they run here as well.
    method, params = built("unet")
    found = artefacts(method, params, SHAPE)["reconstruct"]
    arguments = [jax.ShapeDtypeStruct(one.shape, one.dtype) for one in found.arguments]
    for_tpu = jax_export.export(
        jax.jit(found.function), platforms=["tpu"], disabled_checks=[jax_export.DisabledSafetyCheck.platform()]
    )(*arguments)
    one = jax.tree.map(lambda leaf: leaf[0], SCALED)
    assert relative_error(for_tpu.call(*one), found.function(*one)) < 1e-5


ALONE = """
import json, sys
from pathlib import Path
sys.modules["jaxcs"] = sys.modules["bench"] = sys.modules["data_prep"] = None  # importing them fails
sys.path = [entry for entry in sys.path if entry]
import numpy as np
from jax import export

folder = Path(sys.argv[1])
arrays = np.load(folder / "scan.npz")
kspace, mask, maps = (arrays[name] for name in ("kspace", "mask", "maps"))
axes = (-2, -1)
# The manifest's scaling, word by word.
masked = np.where(mask[:, None, None], kspace, 0)
coils = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(masked, axes), norm="ortho"), axes)
scale = np.abs(np.sum(np.conj(maps) * coils, axis=1)).max((-2, -1))[:, None, None]
content = (folder / "exported" / "reconstruct.stablehlo").read_bytes()
reconstruct = export.deserialize(bytearray(content)).call
image = scale * reconstruct((kspace / scale[:, None]).astype(np.complex64), mask, maps)
np.save(folder / "image.npy", image)
assert not any(name.split(".")[0] in ("jaxcs", "bench", "data_prep") and sys.modules[name] for name in sys.modules)
"""


def test_the_folder_serves_without_the_project(tmp_path, capsys):
    pytest.importorskip("flatbuffers", reason="JAX writes and reads StableHLO in it; pip install 'jaxcs[export]'")
    folder = tmp_path / "exported"
    assert export.main([*FLAGS, "--output", str(folder)]) == 0, capsys.readouterr().err
    assert "reconstruct.stablehlo: 0.0" in capsys.readouterr().out
    found = json.loads((folder / "manifest.json").read_text())
    assert found["method"] == "l1"
    assert found["config"]["n_iters"] == 6
    assert found["weights"] is None
    assert found["maps"] == "used"
    assert found["versions"]["jax"] == jax.__version__
    assert "max |A^H y|" in found["scaling"]
    for one in found["artefacts"].values():
        content = (folder / one["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
        exported = jax_export.deserialize(bytearray(content))
        assert list(exported.platforms) == one["platforms"] == list(PLATFORMS)
        assert exported.calling_convention_version == one["calling_convention_version"]
        assert [value["shape"][0] for value in one["arguments"] + one["results"]] == ["batch"] * len(
            exported.in_avals + exported.out_avals
        )
    kspace = found["artefacts"]["reconstruct"]["arguments"][0]
    assert (kspace["name"], kspace["shape"], kspace["dtype"]) == ("kspace", ["batch", *SHAPE], "complex64")

    np.savez(tmp_path / "scan.npz", kspace=RAW, mask=MASK, maps=MAPS)
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    normalised, scale = jax.vmap(normalise)(SCAN)
    method = METHODS["l1"].build(SMALL["l1"])
    images = jax.vmap(lambda one: method.apply({}, one, jax.random.key(0)))(normalised)
    assert relative_error(np.load(tmp_path / "image.npy"), scale[:, None, None] * images) < 1e-5


def test_weights_are_named_by_their_hash(tmp_path, capsys):
    pytest.importorskip("flatbuffers", reason="JAX writes and reads StableHLO in it; pip install 'jaxcs[export]'")
    content = archive.encode(built("unet")[1], {"method": "unet", "config": {"channels": 4, "pools": 1}})
    (tmp_path / "mine.safetensors").write_bytes(content)
    flags = ["--method", "unet", "--weights", str(tmp_path / "mine.safetensors"), "--shape", "2", "16", "20"]
    assert export.main([*flags, "--output", str(tmp_path / "exported")]) == 0, capsys.readouterr().err
    found = json.loads((tmp_path / "exported" / "manifest.json").read_text())
    assert found["weights"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["config"]["channels"] == 4
    assert found["maps"] == "not used"


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--method", "l2", "--shape", "4", "32", "32"], 2, "unknown name 'l2'"),
        (["--method", "convdecoder", "--shape", "4", "32", "32"], 2, "unknown name 'convdecoder'"),
        (["--method", "l1", "--shape", "4", "32"], 2, "--shape: expected 3 arguments"),
        (["--method", "l1", "--shape", "4", "0", "32"], 2, "0 must be at least 1"),
        (["--method", "unet", "--shape", "4", "8", "32"], 2, "--shape 4 8 32: the method cannot take images of this"),
        (["--method", "l1", "--shape", "4", "32", "32", "--set", "lamb=1"], 2, "did you mean 'lam'?"),
        (["--method", "l1", "--shape", "4", "32", "32", "--weights", "x.pt"], 2, "--weights: l1 is not trained"),
        (["--method", "unet", "--shape", "4", "32", "32", "--weights", "x.pt"], 3, "--weights x.pt"),
        (["--method", "l1", "--shape", "4", "32", "32", "--output", "there"], 4, "there: File exists; choose another"),
        (["--method", "l1", "--shape", "4", "32", "32", "--output", "a_file/in"], 4, "cannot write a_file/in"),
    ],
)
def test_mistakes_are_one_line(flags, code, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "find_spec", lambda name: name)
    (tmp_path / "there").mkdir()
    (tmp_path / "a_file").touch()
    output = [] if "--output" in flags else ["--output", "new"]
    assert export.main([*flags, *output]) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]
    assert not (tmp_path / "new").exists()
    assert not list((tmp_path / "there").iterdir())


def test_a_missing_flatbuffers_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    assert export.main([*FLAGS, "--output", str(tmp_path / "new")]) == 2
    assert "flatbuffers is not installed" in capsys.readouterr().err


def test_the_names_are_those_of_methods_that_fit_nothing():
    assert set(export.METHODS) <= set(catalogue.METHODS) - set(catalogue.UNTRAINED)


@pytest.mark.skipif(not find_spec("flatbuffers"), reason="without flatbuffers nothing is exported")
def test_a_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch, capsys):
    file = SimpleNamespace(serialize=lambda: bytes(1000), platforms=("cpu",))
    monkeypatch.setattr(artefacts_module, "artefacts", lambda *_: {"reconstruct": None})
    monkeypatch.setattr(artefacts_module, "manifest", lambda *_: {})
    command = ["--method", "l1", "--shape", "4", "32", "32", "--output", str(tmp_path / "new")]

    def interrupt(_):
        assert len(list(tmp_path.glob(".*.partial"))) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(artefacts_module, "lower", interrupt)
    assert export.main(command) == 130
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(artefacts_module, "lower", lambda _: file)
    with largest_file(500):
        assert export.main(command) == 4
    assert "cannot write " + str(tmp_path / "new") + ": File too large; " in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
    # A killed process leaves such a folder, and the same command removes it.
    (tmp_path / ".0123456789abcdef.partial").mkdir()
    assert export.main(command) == 0
    assert os.listdir(tmp_path) == ["new"]
    assert sorted(os.listdir(tmp_path / "new")) == ["manifest.json", "reconstruct.stablehlo"]
