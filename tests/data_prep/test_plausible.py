"""Doubts about k-space that cannot be right, and no doubts about sound k-space."""

from ast import literal_eval
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_prep import phantom
from data_prep.cases import InputError
from data_prep.check import check
from data_prep.fourier import forward, inverse
from data_prep.layout import Volume, write_volume
from data_prep.plausible import doubts_of
from tests.helpers.asserts import complex_normal
from tests.helpers.places import measured_scans

SHAPE = (40, 32)


@pytest.fixture(scope="module")
def scan():
    return phantom.case("knee", "train", 0, SHAPE).kspace


def kinds(kspace, mask=None, padding=None):
    return [one.kind for one in doubts_of((Path("a.h5"), 0), kspace, mask, padding or (0, kspace.shape[-1]))]


def sound(kspace):
    """The same scan as other scanners store it."""
    nx = kspace.shape[-1]
    mask = np.abs(np.arange(nx) - nx // 2) < 4
    mask[::5] = True
    late, partial = kspace.copy(), kspace.copy()
    late[..., : kspace.shape[-2] * 3 // 8, :] = 0
    partial[..., : nx * 3 // 8] = 0
    yield kspace, None
    yield np.where(mask, kspace, 0), mask
    yield late, None
    yield partial, None
    yield kspace[:, 1:, 1:], None
    yield kspace[:, :-1, :-1], None
    yield from ((coil[None], None) for coil in kspace)


def test_sound_kspace_raises_no_doubt(scan):
    for kspace, mask in sound(scan * np.complex64(1e-25)):
        assert kinds(kspace, mask) == []
    noise = np.asarray(complex_normal(np.random.default_rng(0), (2, *SHAPE)))
    assert kinds(noise) == []


def test_measured_kspace_raises_no_doubt():
    for name, kspace in measured_scans():
        for changed, mask in sound(kspace):
            assert kinds(changed, mask) == [], name
        assert kinds(np.roll(kspace, 6, -1)) == ["k-space is not centred"], name
        with pytest.raises(InputError, match="holds images"):
            kinds(inverse(kspace))


@pytest.mark.parametrize("offset", [(0, 6), (-5, 0), (20, 16)])
def test_kspace_off_its_centre_is_said_with_what_puts_it_back(scan, offset):
    moved = np.roll(scan, offset, (-2, -1))
    (doubt,) = doubts_of((Path("a.h5"), 0), moved, None, (0, 32))
    peak = np.unravel_index(np.argmax(np.abs(moved).sum(axis=0)), SHAPE)
    named = [int(word.strip(",")) for word in doubt.text.replace(",", " ").split() if word.isdigit()][:2]
    assert np.abs(np.subtract(named, peak)).max() <= 1
    rolls = literal_eval(doubt.text.split("numpy.roll(kspace, ")[1].split(", (-2")[0])
    assert kinds(np.roll(moved, rolls, (-2, -1))) == []
    # If the zero frequency is not measured, there is no peak to find.
    mask = np.arange(32) != 16
    assert kinds(np.where(mask, moved, 0), mask) == []


@pytest.mark.parametrize("shifted", [True, False])
def test_images_in_place_of_kspace_are_refused(tmp_path, scan, shifted):
    images = inverse(scan) if shifted else np.fft.ifft2(scan)
    write_volume(tmp_path, Volume("a", images[None].astype(np.complex64), crop=SHAPE))
    description, problem = check(tmp_path)
    assert not description.problem
    assert "'kspace' of slice 0 holds images" in problem.text
    with pytest.raises(InputError, match="data_prep images"):
        kinds(np.abs(images[:1]).astype(np.complex64))


def test_data_in_columns_that_were_not_measured_are_said_with_their_energy(scan):
    nx = SHAPE[1]
    energy = np.sum(np.abs(scan) ** 2, axis=(0, 1))
    (doubt,) = doubts_of((Path("a.h5"), 0), scan, None, (2, 27))
    assert "7 of 32 columns, 0 to 1 and 27 to 31," in doubt.text
    share = (energy[:2].sum() + energy[27:].sum()) / energy.sum()
    assert f"hold {share:.2%} of" in doubt.text
    empty = scan.copy()
    empty[..., :2] = empty[..., 27:] = 0
    assert kinds(empty, padding=(2, 27)) == []
    assert kinds(scan, padding=(0, nx)) == []


def test_exchanged_axes_are_a_problem_until_they_are_exchanged_back(tmp_path, scan):
    path = write_volume(tmp_path, Volume("a", scan[None].repeat(2, axis=0), crop=SHAPE))
    assert [line.problem for line in check(path)] == [False]
    with h5py.File(path, "r+") as file:
        right = file["kspace"][:]
        for name in ("kspace", "reconstruction_rss"):
            values = file[name][:].swapaxes(-1, -2)
            del file[name]
            file[name] = values
    _, problem = check(path)
    assert "'kspace' has 32 rows and 40 columns, but the header encodes 40 rows" in problem.text
    assert "in 2 of 2 slices" in problem.text
    np.testing.assert_array_equal(right.shape[-2:], SHAPE)


def test_noise_that_cannot_be_seen_is_no_percentage(tmp_path):
    rows, columns = np.mgrid[0:40, 0:32]
    texture = 1 + 0.5 * np.sin(rows / 3) * np.cos(columns / 4)
    full = np.stack([texture * np.exp(rows * slope) for slope in (0.01, -0.01)])
    write_volume(tmp_path, Volume("a", forward(full)[None].astype(np.complex64), crop=SHAPE))
    (line,) = check(tmp_path)
    assert "noise unknown (no background to measure it in)" in line.text
