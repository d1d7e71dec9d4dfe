"""python -m data_prep images: bench.attack's simulation, or other coils and other noise, as k-space files."""

import h5py
import nibabel
import numpy as np
import pytest

from data_prep import images
from data_prep.__main__ import main
from data_prep.files import list_cases
from data_prep.fourier import inverse
from data_prep.image_source import volumes
from tests.helpers.asserts import complex_normal, refused, relative_error

RNG = np.random.default_rng(7)
SHAPE = (24, 20)


def brain(count=3):
    rows, columns = np.mgrid[-12:12, -10:10]
    disc = ((rows / 10) ** 2 + (columns / 8) ** 2 < 1) * np.exp(0.1j * rows)
    return np.stack([disc * (1 + 0.1 * index) for index in range(count)]).astype(np.complex64)


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return path


def test_without_flags_it_is_what_the_experiment_simulates(tmp_path):
    path = write(tmp_path / "brains.h5", image=brain(), block=[0, 0, 1], validation=[1, 0, 1])
    assert main(["images", str(path), str(tmp_path / "out")]) == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["brains-0.h5", "brains-1.h5"]
    written = list_cases(tmp_path / "out", validation=None)
    expected = [images.read_image(info) for info in images.list_images(path, validation=None)]
    for info, case in zip(written.slices, expected, strict=True):
        found = written.read(info)
        np.testing.assert_array_equal(found.kspace, case.kspace)
        assert relative_error(found.target, case.target) < 1e-6
        assert found.maps is None


def given(path, coils=3, covariance=None):
    maps = np.asarray(complex_normal(RNG, (coils, *SHAPE))) + 2
    maps[:, 0, 0] = 0
    extra = {} if covariance is None else {"noise_covariance": covariance}
    return write(path, maps=maps, **extra), maps


def test_given_coils_are_used_and_written_with_unit_root_sum_of_squares(tmp_path):
    path = write(tmp_path / "brains.h5", image=brain(1))
    coils, maps = given(tmp_path / "coils.h5")
    (volume,) = volumes(path, coils, snr=np.inf)
    assert relative_error(inverse(volume.kspace[0]), maps * brain(1)[0]) < 1e-6
    norm = np.linalg.norm(volume.maps[0], axis=0)
    assert norm[0, 0] == 0
    np.testing.assert_allclose(norm.ravel()[1:], 1, rtol=1e-6)
    combined = np.sum(volume.maps[0].conj() * inverse(volume.kspace[0]), axis=0)
    assert relative_error(combined, brain(1)[0] * np.linalg.norm(maps, axis=0)) < 1e-6
    assert volume.notes == ("computed from images: coils of coils.h5", "added noise: none")


def test_noise_has_the_covariance_and_the_level_that_are_asked_for(tmp_path):
    mix = np.eye(3) + 0.5 * np.asarray(complex_normal(RNG, (3, 3)))
    covariance = 7 * mix @ mix.conj().T
    path = write(tmp_path / "brains.h5", image=brain(40))
    coils, maps = given(tmp_path / "coils.h5", covariance=covariance)
    (noisy,), (clean,) = volumes(path, coils, snr=20.0), volumes(path, coils, snr=np.inf)
    noise = (noisy.kspace - clean.kspace).astype(complex)
    found = np.einsum("scyx,sdyx->cd", noise, noise.conj())
    np.testing.assert_allclose(found / np.trace(found), covariance / np.trace(covariance), atol=0.02)
    tissue = np.abs(brain(1)[0]) > 0.5
    for index in (0, 39):
        signal = np.median(np.linalg.norm(maps * brain(40)[index], axis=0)[tissue])
        assert signal / noise[index].real.std() == pytest.approx(20, rel=0.1)


def test_nifti_volumes_become_files_without_their_empty_slices(tmp_path):
    body = np.zeros((20, 24, 6, 2), np.float32)
    body[5:15, 5:20, 1:4] = 1
    body[8, 12, 1:4, 1] = 5
    (tmp_path / "raw").mkdir()
    nibabel.save(nibabel.Nifti1Image(body, np.diag([1.0, 1.0, 4.0, 1.0])), tmp_path / "raw" / "run.nii.gz")
    assert main(["images", str(tmp_path / "raw"), str(tmp_path / "out"), "--snr", "50"]) == 0
    with h5py.File(tmp_path / "out" / "run-1.h5") as file:
        assert file["kspace"].shape == (3, 8, 24, 20)
        assert file.attrs["notes"].endswith("3 empty slices left out")
        # Rows towards anterior, columns towards the left.
        brightest = np.unravel_index(np.argmax(file["reconstruction_rss"][0]), (24, 20))
        assert brightest == (12, 20 - 1 - 8)
    assert (tmp_path / "out" / "run-0.h5").exists()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex64])
def test_nifti_voxels_that_are_nan_count_as_zero(tmp_path, kind):
    """FSL and SPM write NaN around the object."""
    body = np.full((10, 12, 3, 2), np.nan, kind)
    body[2:8, 3:9, 1] = 1 + np.arange(36).reshape(6, 6, 1)
    paths = []
    for name, values in (("nan", body), ("zero", np.nan_to_num(body))):
        paths.append(tmp_path / name / "run.nii")
        paths[-1].parent.mkdir()
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), paths[-1])
    read, expected = (list(volumes(path, None, None)) for path in paths)
    assert len(read) == 2
    for one, other in zip(read, expected, strict=True):
        np.testing.assert_array_equal(one.kspace, other.kspace)
        assert one.notes == (*other.notes, "324 voxels of 360 are NaN, and count as zero")


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "volume 0 is zero or NaN"), (np.inf, "slice 0 of volume 0 is zero or not finite")]
)
def test_nifti_voxels_that_are_nan_alone_or_infinite_are_refused(tmp_path, value, words):
    body = np.full((8, 9, 1), np.nan, np.float32)
    body[3, 3] = value
    nibabel.save(nibabel.Nifti1Image(body, np.eye(4)), tmp_path / "run.nii")
    refused(lambda path: volumes(path, None, None), tmp_path / "run.nii", words)


def test_more_kspace_than_is_written_is_refused_before_it_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.image_source.LARGEST_DATASET", 8 * 8 * 24 * 20 * 2 - 1)
    monkeypatch.setattr("data_prep.image_source._scan", None)
    body = np.ones((20, 24, 2), np.float32)
    nibabel.save(nibabel.Nifti1Image(body, np.eye(4)), tmp_path / "run.nii")
    for path in (
        write(tmp_path / "a.h5", image=brain(2), block=[0, 0]),
        write(tmp_path / "b.h5", heart=brain(2)),
        tmp_path / "run.nii",
    ):
        refused(lambda path: volumes(path, None, None), path, "its 2 images become 61440 bytes", "of 8 coils")


def test_two_volumes_of_one_name_are_refused(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    for name in ("one.nii", "one.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 1), np.float32), np.eye(4)), tmp_path / "raw" / name)
    assert main(["images", str(tmp_path / "raw"), str(tmp_path / "out")]) == 3
    assert "two volumes are named one" in capsys.readouterr().err


def test_complex_datasets_of_any_name_are_volumes(tmp_path):
    path = write(tmp_path / "body.h5", heart=brain(1)[0], liver=brain(2)[:, :20], label=[1, 2])
    found = {volume.name: volume.kspace.shape for volume in volumes(path, None, None)}
    assert found == {"body-heart": (1, 8, 24, 20), "body-liver": (2, 8, 20, 20)}


def test_a_dataset_whose_name_is_not_utf8_is_read(tmp_path):
    path = write(tmp_path / "body.h5", heart=brain(1)[0])
    with h5py.File(path, "r+") as file:
        h5py.h5o.link(file["heart"].id, file.id, "Köpfe".encode("latin-1"))
        del file["heart"]
    (found,) = volumes(path, None, None)
    assert found.name == "body-Köpfe"


@pytest.mark.parametrize(
    ("raw", "coils", "words"),
    [
        ({"image": np.zeros((1, *SHAPE))}, None, "image 0 is zero or not finite"),
        ({"heart": np.full(SHAPE, np.nan + 0j)}, None, "image 0 of 'heart' is zero or not finite"),
        ({"heart": np.ones((2, 2, 2, 2), complex)}, None, "'heart' has 4 axes"),
        ({"other": np.ones(3)}, None, "holds no `image`"),
        ({"image": brain(1)[:, 1:]}, {}, "its maps are for (24, 20)"),
        ({"image": brain(1)}, {"maps": np.ones((2, *SHAPE))}, "'maps' has type float64"),
        ({"image": brain(1)}, {"maps": np.zeros((2, *SHAPE), complex)}, "its maps reach 0"),
        ({"image": brain(1)}, {"maps": np.full((2, *SHAPE), 1e9 + 0j)}, "its maps reach 1e+09"),
        ({"image": brain(1)}, {"noise_covariance": np.eye(4)}, "it needs one row and column for each of 3"),
        ({"image": brain(1)}, {"noise_covariance": np.triu(np.ones((3, 3)))}, "not Hermitian"),
        ({"image": brain(1)}, {"noise_covariance": np.diag([1.0, 1.0, -1.0])}, "positive definite"),
        ({"image": brain(1)}, {"noise_covariance": np.full((3, 3), np.nan)}, "not Hermitian"),
        (
            {"image": brain(1)},
            {"maps": np.eye(3)[:, :, None, None] * np.ones((3, 1, *SHAPE)) + 0j},
            "'maps' has 4 axes",
        ),
        ({"image": brain(1)}, {"maps": np.stack([np.ones(SHAPE), np.zeros(SHAPE)]) + 0j}, "a coil is zero"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, capsys, raw, coils, words):
    command = ["images", str(write(tmp_path / "raw.h5", **raw)), str(tmp_path / "out")]
    if coils is not None:
        path, _ = given(tmp_path / "coils.h5")
        with h5py.File(path, "r+") as file:
            for name, value in coils.items():
                if name in file:
                    del file[name]
                file[name] = value
        command += ["--maps", str(path)]
    assert main(command) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("snr", ["0", "-1", "nan", "much"])
def test_an_snr_is_a_positive_number(snr, capsys):
    assert main(["images", "raw.h5", "out", "--snr", snr]) == 2
    assert "--snr" in capsys.readouterr().err
