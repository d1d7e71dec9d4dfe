"""Images with simulated coils: k-space belongs to the image, the noise has its stated level, files are checked."""

import h5py
import numpy as np
import pytest

from data_prep import images
from data_prep.cases import InputError
from jaxcs.fourier import ifft2c


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


@pytest.fixture
def brains(tmp_path):
    rng = np.random.default_rng(0)
    smooth = np.ones((4, 31, 26)) + 0.1 * rng.normal(size=(4, 1, 1))
    smooth[:, :3] = 0
    return write(tmp_path / "brains.h5", image=smooth * np.exp(0.3j), validation=[0, 1, 0, 1], block=[0, 0, 1, 1])


def test_training_and_validation_images_are_kept_apart(brains):
    assert [info.slice_index for info in images.list_images(brains, validation=False)] == [0, 2]
    chosen = images.list_images(brains, validation=True)
    assert [(info.name, info.volume, info.shape) for info in chosen] == [
        ("brains.h5:1", "brains.h5-0", (8, 31, 26)),
        ("brains.h5:3", "brains.h5-1", (8, 31, 26)),
    ]


def test_the_kspace_is_the_coils_view_of_the_image_with_noise(brains):
    info = images.list_images(brains, validation=True)[0]
    case = images.read_image(info)
    assert case.kspace.shape == (8, 31, 26)
    assert case.kspace.dtype == np.complex64
    assert case.data_range == case.target.max()
    coils = np.asarray(ifft2c(case.kspace))
    # Pixels with an image of 0 hold noise alone.
    level = np.median(case.target[5:]) / np.std(coils[:, :3].real)
    assert 25 < level < 45
    combined = np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))
    np.testing.assert_allclose(combined, case.target, rtol=1e-4)
    again = images.read_image(info)
    np.testing.assert_array_equal(again.kspace, case.kspace)


def test_files_of_another_kind_are_told_apart(tmp_path, brains):
    assert images.is_image_file(brains)
    assert not images.is_image_file(write(tmp_path / "scan.h5", kspace=np.zeros((1, 2, 4, 4), np.complex64)))


@pytest.mark.parametrize(
    ("datasets", "problem"),
    [
        ({"image": np.ones((2, 8, 8)), "validation": [0, 0]}, "no image has validation = True"),
        ({"image": np.ones((2, 8, 8)), "block": [0]}, r"`block` has shape \(1,\)"),
        ({"image": np.ones((8, 8))}, "'image' has 2 axes"),
        ({"other": np.ones(2)}, "holds no `image`"),
    ],
)
def test_unusable_files_are_refused(tmp_path, datasets, problem):
    path = write(tmp_path / "file.h5", **datasets)
    with pytest.raises(InputError, match=problem):
        images.list_images(path, validation=True)


def test_unusable_images_are_refused(tmp_path):
    path = write(tmp_path / "file.h5", image=np.stack([np.zeros((8, 8)), np.full((8, 8), np.nan)]))
    for info in images.list_images(path, validation=True):
        with pytest.raises(InputError, match=f"image {info.slice_index} is zero or not finite"):
            images.read_image(info)
