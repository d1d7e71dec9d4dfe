"""fastMRI's geometry, k-space larger or smaller than the target, through every command."""

import json

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import attack, compare, features, hardest, merge, report, shift, train, tune
from bench.evaluate import experiment, scan
from bench.evaluate.experiment import Search
from bench.plan.config import RunConfig
from bench.slices.prepare import SliceData
from data_prep.__main__ import main as data_prep
from data_prep.fastmri import list_slices, read_slice
from jaxcs.attacks import ATTACKS
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.recon import METHODS, fitted
from tests.helpers import fastmri_like
from tests.helpers.asserts import relative_error
from tests.helpers.fastmri_like import GEOMETRIES

SAMPLING = ["--center-fraction", "0.25", "--acceleration", "2.5"]
QUICK = ["--method", "zero_filled", "--attack", "pgd", "--steps", "1", "--eps", "0.05", *SAMPLING]


def small(folder, name="knee", slices=2):
    """A file of this geometry with maps, so that none are estimated."""
    path = fastmri_like.write(folder, name, slices)
    with h5py.File(path, "r+") as file:
        images = np.asarray(ifft2c(jnp.asarray(file["kspace"][()])))
        file["maps"] = images / np.linalg.norm(images, axis=1, keepdims=True)
    return path


def only_folder(parent):
    (found,) = parent.iterdir()
    return found


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_fully_sampled_image_is_its_target_to_the_pixel(tmp_path, name):
    geometry = GEOMETRIES[name]
    for info in list_slices(fastmri_like.write(tmp_path, name)):
        case = read_slice(info)
        assert case.target.shape == tuple(map(min, geometry.kspace, geometry.target))
        image = root_sum_of_squares(ifft2c(jnp.asarray(case.kspace)))
        assert relative_error(image_crop(image, case.target.shape), case.target) < 1e-5


@pytest.mark.parametrize("name", GEOMETRIES)
def test_converting_and_checking_keeps_the_target_where_it_is(tmp_path, capsys, name):
    raw = fastmri_like.write(tmp_path / "raw", name, slices=1)
    assert data_prep(["fastmri", str(raw), str(tmp_path / "data")]) == 0
    assert data_prep(["check", str(tmp_path / "data")]) == 0
    assert "problem" not in capsys.readouterr().out
    (before,), (after,) = (list_slices(path) for path in (raw, tmp_path / "data" / raw.name))
    np.testing.assert_array_equal(read_slice(after).target, read_slice(before).target)
    np.testing.assert_array_equal(read_slice(after).kspace, read_slice(before).kspace)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A file, and a finished run on it."""
    folder = tmp_path_factory.mktemp("geometry")
    path = small(folder / "data")
    assert attack.main([*QUICK, "--data", str(path), "--output", str(folder / "runs")]) == 0
    return path, only_folder(folder / "runs")


@pytest.mark.parametrize("name", ["brain", "narrow"])
def test_an_attack_ends_with_its_page(tmp_path, name):
    path = small(tmp_path / "data", name, slices=1)
    assert attack.main([*QUICK, "--data", str(path), "--output", str(tmp_path / "runs")]) == 0
    folder = only_folder(tmp_path / "runs")
    assert f"{name}.h5:0" in (folder / "report.html").read_text(encoding="utf-8")


def test_every_picture_has_the_size_of_the_target(run):
    _, folder = run
    with np.load(folder / "pictures.npz") as pictures:
        assert {key.split("|")[-2] for key in pictures if key.endswith("|0.05")} >= {"perturbation", "noise"}
        assert {pictures[key].shape for key in pictures.files} == {GEOMETRIES["knee"].target}


def test_a_finished_run_goes_on_and_is_reported_again(run, capsys):
    _, folder = run
    before = (folder / "summary.csv").read_bytes()
    assert attack.main(["--resume", str(folder)]) == 0
    assert report.main([str(folder)]) == 0
    assert (folder / "summary.csv").read_bytes() == before
    assert json.loads((folder / "run.json").read_text())["status"] == "done"


def test_parts_are_merged_and_runs_compared(run, tmp_path, capsys):
    path, whole = run
    parts = []
    for part in (1, 2):
        output = tmp_path / str(part)
        assert attack.main([*QUICK, "--data", str(path), "--shard", f"{part}/2", "--output", str(output)]) == 0
        parts.append(str(only_folder(output)))
    assert merge.main([*parts, "--output", str(tmp_path / "merged")]) == 0
    merged = only_folder(tmp_path / "merged")
    assert (merged / "summary.csv").read_bytes() == (whole / "summary.csv").read_bytes()
    assert (merged / "report.html").is_file()
    assert compare.main([str(merged), str(whole), "--eps", "0.05"]) == 0


def test_the_hardest_images_are_chosen_and_attacked_again(run, tmp_path, capsys):
    path, folder = run
    chosen = tmp_path / "hard.csv"
    assert hardest.main([str(folder), "--count", "1", "--output", str(chosen)]) == 0
    again = [*QUICK, "--data", str(path), "--only", str(chosen), "--output", str(tmp_path / "runs")]
    assert attack.main(again) == 0


def test_a_network_is_trained(run, tmp_path, capsys):
    path, _ = run
    quick = ["--method", "unet", "--variant", "u5", "--steps", "1", "--every", "1", *SAMPLING]
    data = ["--data", str(path), "--validation", str(path), "--validation-images", "1"]
    assert train.main([*quick, *data, "--output", str(tmp_path)]) == 0
    assert (only_folder(tmp_path) / "weights.safetensors").is_file()


@pytest.mark.parametrize("name", ["l1", "unet", "convdecoder"])
def test_methods_of_each_family_give_images_and_pictures_of_the_targets_size(name):
    """The methods are only traced, which takes no compilation."""
    (ny, nx), (ty, tx) = GEOMETRIES["narrow"]
    target = min(ny, ty), min(nx, tx)
    method, config, coils = METHODS[name], RunConfig(method=name), 8
    method_config = fitted(method.config(), (ny, nx), target)
    key = jax.random.key(0)
    keys = key[None]

    def arrays(*kinds):
        return [jnp.zeros((1, *shape), dtype) for shape, dtype in kinds]

    def made():
        kspace = (coils, ny, nx), jnp.complex64
        data = SliceData(
            *arrays(kspace, ((nx,), bool), kspace, (target, jnp.float32), ((), jnp.float32)),
            *arrays(((coils, coils), jnp.complex64)),
        )
        functions = experiment.build(
            config,
            method.build(method_config).init(key),
            method,
            method_config,
            {"attack": Search("noise", ATTACKS["noise"].config())},
            scan.build(config, None),
        )
        delta, epsilons = data.kspace[:, None], jnp.zeros((1, 2))
        staged = functions.stage(data)
        image = functions.evaluate(data, staged, delta, keys).image
        start = functions.prepare(data, keys)
        return image, functions.searches["attack"](data, staged, image[:, 0], start, epsilons, keys).picture

    assert [one.shape for one in jax.eval_shape(made)] == [(1, 1, *target), (1, 2, *target)]


def test_settings_are_tuned_and_features_inserted(run, tmp_path, capsys):
    path, _ = run
    tuned = ["--method", "sense", "--try", "lam=0.01,0.1", "--images", "1", "--data", str(path), *SAMPLING]
    assert tune.main([*tuned, "--output", str(tmp_path / "tuned.json")]) == 0
    study = ["--method", "zero_filled", "--stride", "8", "--draws", "0", "--data", str(path), *SAMPLING]
    assert features.main([*study, "--output", str(tmp_path / "features")]) == 0


def test_shifts_keep_the_geometry(run, tmp_path, capsys):
    path, _ = run
    argv = ["noise", "--methods", "zero_filled", "--data", str(path), *SAMPLING]
    assert shift.main([*argv, "--output", str(tmp_path / "study")]) == 0
