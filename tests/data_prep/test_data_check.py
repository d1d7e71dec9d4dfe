"""The listing of a folder, on small files written here."""

import hashlib
import os

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep import acquisition
from data_prep.cases import Box, InputError
from data_prep.check import check
from data_prep.layout import Volume, write_volume
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.fourier import fft2c
from tests.helpers.asserts import complex_normal

SHAPE, COILS = (40, 32), 3


def scan(slices=2, seed=0, noise=0.01):
    """K-space (slice, coil, 40, 32) of a bright disc seen by loops, with noise of the standard deviation `noise`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[-20:20, -16:16]
    disc = (rows**2 + columns**2 < 100) * (1 + 0.3 * rng.random(SHAPE))
    images = disc * loop_sensitivities(SHAPE, SHAPE, COILS, 40.0, 16.0)
    images = images / np.abs(images).max()
    kspace = np.asarray(fft2c(jnp.asarray(images, jnp.complex64)))
    return np.stack([kspace + noise * np.asarray(complex_normal(rng, kspace.shape)) for _ in range(slices)])


def volume(name="knee", kspace=None, **changes):
    kspace = scan() if kspace is None else kspace
    return Volume(name, kspace * np.float32(1e-5), crop=(32, 32), acquisition="CORPD_FBK", **changes)


def texts(folder, problem):
    return [line.text for line in check(folder) if line.problem == problem]


def change(path, **datasets):
    """Replace datasets of a file; None deletes a dataset."""
    with h5py.File(path, "r+") as file:
        for name, values in datasets.items():
            if name in file:
                del file[name]
            if values is not None:
                file[name] = values


def test_a_sound_volume_is_one_line(tmp_path):
    path = write_volume(tmp_path, volume(boxes=(Box("knee", 1, 0, 0, 32, 32), Box("knee", 0, 3, 4, 5, 6))))
    (line,) = check(tmp_path)
    assert not line.problem
    assert line.text.startswith(f"{path}: 2 slices of 3 coils, 40 x 32, CORPD_FBK, fully sampled, noise ")
    assert line.text.endswith(f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}")
    assert list(check(path)) == [line]


def test_the_noise_level_is_the_noise_that_was_added(tmp_path):
    kspace = scan(slices=5, noise=0.02)
    write_volume(tmp_path, volume(kspace=kspace))
    (text,) = texts(tmp_path, problem=False)
    found = float(text.split("noise ")[1].split("%")[0]) / 100
    # Complex noise of 0.02 in each of two parts, divided by the root mean square of k-space.
    expected = 0.02 * np.sqrt(2) / np.sqrt(np.mean(np.abs(kspace) ** 2))
    assert abs(found / expected - 1) < 0.2


def test_an_under_sampled_volume_shows_its_acceleration(tmp_path):
    path = write_volume(tmp_path, volume(padding=(2, 30)))
    mask = np.zeros(32, np.uint8)
    mask[[2, 9, 14, 15, 16, 17, 29]] = 1
    change(path, mask=mask)
    ((text, problem),) = check(path)
    assert not problem
    assert "under-sampled 4.00x, noise unknown" in text


def test_one_bad_file_does_not_stop_the_listing(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    (tmp_path / "._b.h5").write_bytes(b"hidden")
    (tmp_path / "folder.h5").mkdir()
    os.mkfifo(tmp_path / "pipe.h5")
    write_volume(tmp_path, volume("c"))
    write_volume(tmp_path, volume("d", mask=np.arange(32) % 2 == 0))
    lines = list(check(tmp_path))
    assert [line.problem for line in lines] == [True, False, False, True, True, True]
    assert "a.h5: not an HDF5 file" in lines[0].text
    assert "d.h5: 2 slices of 3 coils, 40 x 32, CORPD_FBK, under-sampled 2.00x, noise unknown, sha256" in lines[2].text
    assert "without the ground truth" in lines[3].text
    assert all("not a regular file" in line.text for line in lines[4:])
    assert all(line.text.isprintable() for line in lines)


def test_every_problem_of_a_volume_is_a_line(tmp_path):
    kspace = scan(slices=4)
    kspace[:, 1] = 0
    places = [[0, 1, 1, 2, 2], [4, 1, 1, 2, 2], [0, -1, 1, 2, 2], [0, 30, 1, 3, 2], [0, 1, 1, 0, 2]]
    boxes = tuple(Box("knee", *place) for place in places)
    path = write_volume(tmp_path, volume(kspace=kspace, boxes=boxes))
    with h5py.File(path, "r+") as file:
        file["kspace"][1] = 0
        file["kspace"][2, 0, 3, 3] = np.nan
        file.attrs["max"] = file.attrs["max"] / 2
    problems = texts(tmp_path, problem=True)
    for words in ("slice 1 is all zero", "slice 2 holds NaN", "coil 1 is zero", "over the attribute 'max'"):
        assert sum(words in text for text in problems) == 1
    assert [f"box {number}," in " ".join(problems) for number in range(5)] == [False, True, True, True, True]
    assert len(problems) == 8
    assert len(texts(tmp_path, problem=False)) == 1


@pytest.mark.parametrize(
    ("boxes", "words"),
    [(np.zeros((2, 4), int), "4 columns"), (np.zeros(5, int), "axes"), (np.zeros((1, 5)), "float64")],
)
def test_boxes_of_another_form_are_a_problem(tmp_path, boxes, words):
    change(write_volume(tmp_path, volume()), boxes=boxes)
    (problem,) = texts(tmp_path, problem=True)
    assert words in problem


def test_a_volume_without_a_usable_slice_is_listed_with_its_problems(tmp_path):
    path = write_volume(tmp_path, volume())
    change(path, kspace=np.zeros((2, COILS, *SHAPE), np.complex64))
    lines = list(check(path))
    assert [line.problem for line in lines] == [False, True, True]
    assert "noise" not in lines[0].text


def test_a_folder_without_volumes_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no \.h5 file"):
        list(check(tmp_path))
    (line,) = check(tmp_path / "missing")
    assert line.problem
    assert "missing" in line.text


def test_a_mask_that_measures_only_padding_is_a_problem(tmp_path):
    path = write_volume(tmp_path, volume(padding=(4, 30)))
    change(path, mask=np.arange(32) < 4)
    unmeasured, nothing = texts(path, problem=True)
    assert "hold 100.00% of k-space's energy" in unmeasured
    assert "the mask measures nothing" in nothing


def test_a_contrast_that_cannot_be_read_is_unknown(tmp_path, monkeypatch):
    path = write_volume(tmp_path, volume())
    assert acquisition.acquisition_of(path) == "CORPD_FBK"
    with h5py.File(path, "r+") as file:
        file.attrs["acquisition"] = "T1\n\x1b[2J" + "x" * 500
    assert acquisition.acquisition_of(path).isprintable()
    assert len(acquisition.acquisition_of(path)) == 100
    # A heap object of length 0, over which the HDF5 library loops for ever or fails.
    damaged = bytearray(path.read_bytes())
    text = damaged.index(b"T1\n")
    damaged[text - 8 : text] = bytes(8)
    (tmp_path / "damaged.h5").write_bytes(damaged)
    monkeypatch.setattr(acquisition, "_SECONDS", 2)
    assert acquisition.acquisition_of(tmp_path / "damaged.h5") == "unknown"
    with h5py.File(path, "r+") as file:
        del file.attrs["acquisition"]
    assert acquisition.acquisition_of(path) == "unknown"
    monkeypatch.setattr(acquisition, "_SECONDS", 0.5)
    monkeypatch.setattr(acquisition, "_PROGRAM", "while True: pass")
    assert acquisition.acquisition_of(path) == "unknown"
