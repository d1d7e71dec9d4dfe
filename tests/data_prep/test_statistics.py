"""Statistics of images: of images whose values are known, and of the phantoms beside given images."""

import h5py
import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.statistics import statistics
from tests.helpers.places import DATA

MEASURED = DATA / "images" / "brain_t2_siat.h5"


def coloured(exponent, side=256):
    """An image whose spectrum has the power f^exponent."""
    noise = np.fft.fft2(np.random.RandomState(0).normal(size=(side, side)))
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    radius[0, 0] = 1
    return np.fft.ifft2(noise * radius ** (exponent / 2)).real


@pytest.mark.parametrize("exponent", [-3.0, -2.0, 0.0])
def test_the_slope_is_the_exponent_of_the_spectrum(exponent):
    assert statistics(coloured(exponent)).slope == pytest.approx(exponent, abs=0.1)


def test_an_edge_is_sparser_than_noise():
    edge = np.zeros((64, 64))
    edge[10:40, 20:50] = 1
    noise = np.abs(np.random.RandomState(0).normal(size=(64, 64)))
    assert statistics(edge).share < 0.1 < 0.4 < statistics(noise).share


def test_the_contrast_is_the_relative_deviation_of_tissue():
    rng = np.random.RandomState(0)
    image = np.zeros((96, 96))
    image[16:80, 16:80] = 1 + 0.2 * rng.normal(size=(64, 64))
    assert statistics(image).contrast == pytest.approx(0.2, rel=0.05)
    assert statistics(5 * image) == pytest.approx(statistics(image))


def rows(text):
    """Name and three means of each line of the table."""
    lines = [line for line in text.splitlines() if "+-" in line and not line.startswith("mean")]
    return {
        line[:23].split(" (")[0]: [float(word.split()[0]) for word in (line[24:48], line[48:72], line[72:])]
        for line in lines
    }


def test_the_command_sets_phantoms_beside_images(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("data_prep.statistics._IMAGES", 2)
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["image"] = np.abs(coloured(-2.0, 64)[None] + np.arange(3)[:, None, None]).astype(np.float32)
    assert main(["statistics", str(tmp_path / "own.h5")]) == 0
    found = rows(capsys.readouterr().out)
    assert list(found) == ["own.h5", "phantom knee", "phantom brain", "phantom head"]
    assert found["phantom head"][0] < found["phantom brain"][0] - 0.3


def test_what_is_no_data_is_one_line(tmp_path, capsys):
    assert main(["statistics", str(tmp_path)]) == 3
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not MEASURED.is_file(), reason="the T2 brains are not beside the repository")
def test_the_spectrum_of_the_head_is_nearer_to_that_of_t2_brains(capsys, monkeypatch):
    monkeypatch.setattr("data_prep.statistics._IMAGES", 4)
    assert main(["statistics", str(MEASURED)]) == 0
    found = {name: means[0] for name, means in rows(capsys.readouterr().out).items()}
    measured = found[MEASURED.name]
    assert abs(found["phantom head"] - measured) < 0.6 * abs(found["phantom brain"] - measured)
