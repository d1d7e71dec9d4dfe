"""Files of reconstructed volumes, read by the libraries of their formats, and the geometry that they get."""

from uuid import UUID

import h5py
import numpy as np
import pytest

from data_prep import image_source
from data_prep.bart import volumes as bart_volumes
from data_prep.geometry import VoxelGeometry, geometry_of
from data_prep.image_formats import FORMATS, ImageVolume
from data_prep.layout import write_volume
from tests.helpers import fastmri_like

IMAGES = np.random.RandomState(0).uniform(0, 3e-5, (4, 6, 5)).astype(np.float32)
IMAGES[2] = np.nan
AFFINE = np.array([[0.0, -1.5, 0.2, 10], [0.7, 0, 0, -20], [0, 0.1, 3, 30], [0, 0, 0, 1]])
VOXEL = tuple(np.linalg.norm(AFFINE[:3, :3], axis=0)[[1, 0, 2]].tolist())
RUN = UUID(int=7)


def written(folder, name, geometry=None, words="l1, clean", first=3, images=IMAGES):
    FORMATS[name].write(folder, ImageVolume("file1", images, first, geometry, float(np.nanmax(images)), words, RUN))
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_hdf5_has_the_layout_of_a_submission(tmp_path):
    assert written(tmp_path, "h5") == ["file1.h5"]
    with h5py.File(tmp_path / "file1.h5") as file:
        assert list(file) == ["reconstruction"]
        assert file["reconstruction"].dtype == np.float32
        np.testing.assert_array_equal(file["reconstruction"][()], IMAGES)


def test_a_pair_of_bart_has_rows_columns_and_slices_at_its_dimensions(tmp_path):
    assert written(tmp_path, "cfl") == ["file1.cfl", "file1.hdr"]
    sizes = [int(word) for word in (tmp_path / "file1.hdr").read_text().splitlines()[1].split()]
    assert sizes == [6, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 1, 1]
    values = np.fromfile(tmp_path / "file1.cfl", "<c8").reshape(sizes, order="F").squeeze()
    np.testing.assert_array_equal(values.transpose(2, 0, 1), IMAGES.astype(np.complex64))
    whole = np.nan_to_num(IMAGES)
    written(tmp_path, "cfl", images=whole)
    (volume,) = bart_volumes(tmp_path / "file1")
    np.testing.assert_array_equal(volume.kspace[:, 0].real, whole)


@pytest.mark.parametrize(
    ("geometry", "zooms", "unit", "code"),
    [
        (None, (1, 1, 1), "unknown", 0),
        (VoxelGeometry((0.5, 0.75, 3)), (0.75, 0.5, 3), "mm", 0),
        (VoxelGeometry(VOXEL, AFFINE), (VOXEL[1], VOXEL[0], VOXEL[2]), "mm", 1),
    ],
)
def test_nifti_has_the_voxels_and_the_place_as_far_as_known(tmp_path, geometry, zooms, unit, code):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed: jaxcs[nifti]")
    assert written(tmp_path, "nifti", geometry) == ["file1.nii.gz"]
    image = nibabel.load(tmp_path / "file1.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), IMAGES)
    np.testing.assert_allclose(image.header.get_zooms(), zooms, rtol=1e-6)
    assert image.header.get_xyzt_units()[0] == unit
    assert (image.header["sform_code"], image.header["qform_code"]) == (code, code)
    assert image.header["descrip"].item().startswith(b"not for diagnosis: l1, clean")
    if code:
        # The first of these slices is number 3 of the volume.
        np.testing.assert_allclose(image.affine @ (0, 0, 0, 1), AFFINE @ (0, 0, 3, 1), rtol=1e-5)
        np.testing.assert_allclose(image.affine @ (2, 1, 1, 1), AFFINE @ (2, 1, 4, 1), rtol=1e-5)


def test_dicom_says_what_it_is_and_invents_no_patient(tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: jaxcs[dicom]")
    names = written(tmp_path / "clean", "dicom", VoxelGeometry((0.5, 0.75, 3)), words="a\\b\n, clean")
    # The slice that failed has no file.
    assert names == [f"file1-dicom/{number:04d}.dcm" for number in (3, 4, 6)]
    found = pydicom.dcmread(tmp_path / "clean" / names[1])
    assert found.SOPClassUID.name == "Secondary Capture Image Storage"
    assert found.SeriesDescription == "NOT FOR DIAGNOSIS: a/b?, clean"
    assert str(found.ImageComments).startswith("NOT FOR DIAGNOSIS")
    assert (found.BurnedInAnnotation, found.Modality, found.InstanceNumber) == ("NO", "OT", 5)
    assert not any(found[name].value for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate"))
    assert [float(edge) for edge in found.PixelSpacing] == [0.5, 0.75]
    shown = pydicom.pixels.apply_modality_lut(found.pixel_array, found)
    np.testing.assert_allclose(shown, 1000 * IMAGES[1] / np.nanmax(IMAGES), atol=1000 / 65535)
    written(tmp_path / "noise", "dicom")
    other = pydicom.dcmread(tmp_path / "noise" / names[1])
    assert (other.StudyInstanceUID, "PixelSpacing" in other) == (found.StudyInstanceUID, False)
    assert other.SeriesInstanceUID != found.SeriesInstanceUID


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("data_prep.image_formats.find_spec", lambda name: None)
    assert FORMATS["dicom"].missing() == "pydicom is not installed; pip install 'jaxcs[dicom]'"
    assert FORMATS["h5"].missing() is None


@pytest.mark.parametrize(
    ("extent", "voxel"),
    [
        ("<x>448</x><y>216.0</y><z>4.5</z>", (7.0, 6.0, 4.5)),
        ("<x>448</x><y>216.0</y>", None),
        ("<x>448</x><y>wide</y><z>4.5</z>", None),
        ("<x>448</x><y>-216</y><z>nan</z>", None),
    ],
)
def test_the_header_of_fastmri_has_the_size_of_a_voxel(tmp_path, extent, voxel):
    path = fastmri_like.write(tmp_path, "knee")  # 64 x 36, of which 32 x 32 are the image
    with h5py.File(path, "r+") as file:
        header = file["ismrmrd_header"][()]
        del file["ismrmrd_header"]
        field = f"<encodedSpace><fieldOfView_mm>{extent}</fieldOfView_mm>".encode()
        file["ismrmrd_header"] = np.bytes_(header.replace(b"<encodedSpace>", field))
    assert geometry_of(path, (64, 36), (32, 32)) == (None if voxel is None else VoxelGeometry(voxel))
    if voxel is not None:  # k-space that was cropped has the same field of view
        assert geometry_of(path, (32, 18), (32, 18)) == VoxelGeometry((14.0, 12.0, 4.5))


def test_a_file_without_a_field_of_view_has_no_geometry(tmp_path):
    assert geometry_of(fastmri_like.write(tmp_path, "knee"), (64, 36), (32, 32)) is None
    assert geometry_of(tmp_path / "missing.h5", (64, 36), (32, 32)) is None


@pytest.mark.parametrize("crop", [(20, 24), (12, 11)])
def test_a_converted_nifti_stays_where_it_was(tmp_path, crop):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed: jaxcs[nifti]")
    voxels = np.random.RandomState(1).uniform(1, 2, (3, 24, 20)).astype(np.float32)
    voxels[0] = 0  # an empty slice is left out
    affine = np.array([[0.2, -1.5, 0, 10], [0, 0, 0.7, -20], [-3, 0, 0, 30], [0, 0, 0, 1]], float)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "head.nii")
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["maps"] = np.full((2, 20, 24), 0.5**0.5, np.complex64)
    (volume,) = image_source.volumes(tmp_path / "head.nii", tmp_path / "maps.h5", float("inf"))
    path = write_volume(tmp_path, volume._replace(crop=crop))
    geometry = geometry_of(path, (20, 24), crop)
    with h5py.File(path) as file:
        target = file["reconstruction_rss"][()]
    assert target.shape == (2, *crop)
    inverse = np.linalg.inv(affine)
    for slice_, row, column in np.ndindex(*target.shape):
        place = np.rint(inverse @ geometry.affine @ (column, row, slice_, 1)).astype(int)
        assert target[slice_, row, column] == pytest.approx(voxels[tuple(place[:3])], rel=1e-4)
    assert geometry_of(path, (10, 24), (5, 5)).affine is None
