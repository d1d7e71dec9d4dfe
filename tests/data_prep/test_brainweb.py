"""Heads of BrainWeb: signal equations, what is drawn around a brain, both forms of files, and splits by subject."""

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from data_prep import anatomy, brainweb
from data_prep.__main__ import _CONTRASTS, main
from data_prep.coil_array import sensitivities, shifted_sensitivities
from data_prep.contrast import SEQUENCES, TISSUES, signal
from data_prep.files import list_cases
from data_prep.fourier import root_sum_of_squares
from data_prep.phantom.pieces import make_grid
from data_prep.scalp import hull, surround
from tests.helpers.places import DATA

LABELS = DATA / "images" / "brainweb_labels.h5"
SIDE = 480


def ball(radius):
    """A disc about the centre, radius in mm."""
    y, x = np.ogrid[:SIDE, :SIDE]
    return np.hypot(y - SIDE // 2, x - SIDE // 2) * 0.5 <= radius


def tissues(slices=3):
    """Tissue maps of a round brain with a ventricle; the first slice has little of it."""
    maps = np.zeros((slices, SIDE, SIDE, 3), np.uint8)
    for index in range(slices):
        maps[index, ..., 1] = ball(20 if index == 0 else 60) & ~ball(10)
        maps[index, ..., 2] = ball(40) & ~ball(10) & ball(20 if index == 0 else 60)
    return maps


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.h5"
    with h5py.File(path, "w") as file:
        for number in (1, 16):
            file.create_dataset(f"subject{number:02d}", data=tissues(), compression="gzip")
    return path


# ---- Contrast.


def test_the_maps_of_all_slices_are_shifted_once_and_to_the_bit():
    size = (SIDE, SIDE), (240.0, 240.0)
    maps = shifted_sensitivities(*size)
    assert maps is shifted_sensitivities(*size)
    assert np.array_equal(maps, np.fft.ifftshift(sensitivities(*size), axes=(-2, -1)))
    head = brainweb.Head(16, Path("labels.h5"), tissues())
    volume = anatomy.scan(brainweb._anatomy(head), "t2", 2)
    shifted_sensitivities.cache_clear()
    again = anatomy.scan(brainweb._anatomy(head), "t2", 2)
    assert shifted_sensitivities.cache_info().misses == 1
    assert np.array_equal(volume.kspace, again.kspace)


def test_contrasts_are_ordered_as_radiologists_know_them():
    values = {name: {tissue: signal(TISSUES[tissue], one) for tissue in TISSUES} for name, one in SEQUENCES.items()}
    assert values["t1"]["fat"] > values["t1"]["white"] > values["t1"]["grey"] > values["t1"]["fluid"]
    assert values["t2"]["fluid"] > values["t2"]["grey"] > values["t2"]["white"] > values["t2"]["muscle"]
    assert values["flair"]["grey"] > values["flair"]["white"] > 100 * values["flair"]["fluid"]
    assert all(one["bone"] == 0 for one in values.values())
    assert tuple(SEQUENCES) == _CONTRASTS


def test_a_spin_echo_has_the_signal_of_its_equation():
    expected = 0.86 * (1 - np.exp(-5000 / 833)) * np.exp(-100 / 83)
    np.testing.assert_allclose(signal(TISSUES["grey"], SEQUENCES["t2"]), expected)


# ---- What is around a brain.


def test_gaps_are_filled_up_to_their_width():
    brain = ball(50)
    brain[:, 238:242] = False  # 2 mm
    assert hull(brain, 0.5)[240, 240]
    apart = ball(20)
    assert not hull(np.roll(apart, 100, 1) | np.roll(apart, -100, 1), 0.5)[240, 240]
    assert not hull(np.zeros((20, 20), bool), 0.5).any()


def test_the_head_has_its_layers_from_the_brain_outwards():
    brain = ball(50)
    shares = surround(np.random.RandomState(0), make_grid((SIDE, SIDE), 0.5), brain)
    middle = {name: share[240, 240:] for name, share in shares.items()}
    first = [np.argmax(middle[name] > 0.9) for name in ("fluid", "bone", "fat", "muscle")]
    assert first == sorted(first)
    assert first[0] >= 100
    total = sum(shares.values())
    assert total.max() <= 1 + 1e-9
    assert not total[ball(49)].any()
    assert not total[0].any()


# ---- Files.


def test_volumes_have_kspace_of_eight_coils_and_their_contrast(labels):
    found = list(brainweb.volumes(labels, "test", ("t2",), 2))
    assert [volume.name for volume in found] == ["brainweb16-t2"]
    assert found[0].kspace.shape == (2, 8, 240, 240)
    image = root_sum_of_squares(found[0].kspace[1])
    # The ventricle is brighter than white matter, the skull darker.
    ventricle, white, skull = (np.median(image[120, 120 + at : 124 + at]) for at in (0, 14, 65))
    assert ventricle > 1.5 * white > 3 * skull
    again = next(brainweb.volumes(labels, "test", ("t2",), 2))
    np.testing.assert_array_equal(again.kspace, found[0].kspace)


def test_slices_with_little_brain_are_left_out(labels):
    assert next(brainweb.volumes(labels, "train", ("pd",), 9)).kspace.shape[0] == 2


def test_discrete_models_are_read_with_the_front_first(tmp_path, monkeypatch):
    monkeypatch.setattr(brainweb, "_CRISP", (2, 434, 362))
    model = np.zeros((2, 434, 362), np.uint8)
    model[:, 100:300, 100:300] = 2
    model[:, 400:, 150:200] = 4
    path = tmp_path / "subject18_crisp_v.rawb.gz"
    path.write_bytes(gzip.compress(model.tobytes(), 1))
    (head,) = brainweb.heads(tmp_path, brainweb.SPLITS["test"])
    assert head.number == 18
    assert head.labels.shape == (2, SIDE, SIDE)
    # Rows of the files go from the back to the front.
    assert head.labels[0, 23, 240] == 4
    assert len(list(brainweb.volumes(path, "test", ("t1",), 1))) == 1


def test_splits_share_no_subject():
    numbers = [number for split in brainweb.SPLITS.values() for number in split]
    assert sorted(numbers) == list(range(1, 21))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("subject18_crisp_v.rawb", b"0", "has not"),
        ("subject18_crisp_v.rawb.gz", b"0", "cannot be read"),
        ("head.rawb", b"0", "names no subject"),
        ("subject18_crisp_v.rawb", bytes([12]) * (434 * 362), "holds the label 12"),
        ("empty.txt", b"0", "no .rawb or .rawb.gz file"),
        ("subject01_crisp_v.rawb", b"0" * (434 * 362), "no subject of the test split"),
    ],
)
def test_what_is_no_model_is_one_line(tmp_path, monkeypatch, capsys, name, content, words):
    monkeypatch.setattr(brainweb, "_CRISP", (1, 434, 362))
    (tmp_path / name).write_bytes(content)
    assert main(["brainweb", str(tmp_path), str(tmp_path / "out")]) == 3
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_command_writes_files_that_an_attack_reads(labels, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["brainweb", str(labels), str(out), "--split", "train", "--contrast", "flair", "--slices", "1"]) == 0
    assert "1 slice of 8 coils, 240 x 240" in capsys.readouterr().out
    (info,) = list_cases(out, validation=None).slices
    assert info.shape == (8, 240, 240)


@pytest.mark.skipif(not LABELS.is_file(), reason="the tissue maps are not beside the repository")
def test_real_anatomies_are_scanned():
    volume = next(brainweb.volumes(LABELS, "test", ("t1",), 1))
    image = root_sum_of_squares(volume.kspace[0])
    assert volume.patient == "BrainWeb subject 16"
    assert image[100:140, 100:140].mean() > 5 * image[:10].mean()
