"""The place in the patient, from the heads of ISMRMRD lines to the files that viewers read."""

import numpy as np
import pytest

from bench import reconstruct
from data_prep import __main__ as data_prep
from data_prep import stanford
from data_prep.geometry import VoxelGeometry
from data_prep.ismrmrd import volumes

ismrmrd = pytest.importorskip("ismrmrd", reason="ismrmrd, which writes the files, is not installed: jaxcs[test]")

ROWS, COLUMNS, SLICES = 32, 24, 3  # readout twice as long as the image
VOXEL = np.array([1.5, 2.0, 4.0])  # along readout, phase encoding and slices [mm]
GAP = 1.0  # between slices [mm]
# Unit vectors along readout, phase encoding and slices, in (left, posterior, superior), oblique in all axes.
READ, PHASE, SLICE = np.linalg.qr(np.array([[0.8, 0.3, -0.2], [-0.1, 0.9, 0.4], [0.3, -0.2, 1.0]]))[0].T
CENTRE = np.array([12.0, -30.0, 7.5])  # of the middle slice [mm]
HEADER = f"""<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<acquisitionSystemInformation><systemVendor>{{vendor}}</systemVendor></acquisitionSystemInformation>
<encoding><encodedSpace><matrixSize><x>{ROWS}</x><y>{COLUMNS}</y><z>{{z}}</z></matrixSize>
<fieldOfView_mm><x>{ROWS * VOXEL[0]}</x><y>{COLUMNS * VOXEL[1]}</y><z>{{extent}}</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>16</x><y>20</y><z>{{image_z}}</z></matrixSize></reconSpace>
<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"""
POINT = (-4, 3)  # the bright point's (readout, phase encoding) from the centre of the middle slice [voxels]


def waves(number, offset, vendor):
    """The samples along an axis of a point that lies `offset` samples from its centre, in the vendor's sign."""
    sign = 1j if vendor == "SIEMENS" else -1j
    return np.exp(sign * 2 * np.pi * (np.arange(number) - number // 2) * offset / number)


def line(values, position, directions=(READ, PHASE, SLICE), **counters):
    """An acquisition of values (coil, sample) with the place of its slice."""
    made = ismrmrd.Acquisition.from_array(np.ascontiguousarray(values, np.complex64))
    made.center_sample = values.shape[1] // 2
    made.position[:] = position
    for name, direction in zip(("read_dir", "phase_dir", "slice_dir"), directions, strict=True):
        getattr(made, name)[:] = direction
    for name, counter in counters.items():
        setattr(made.idx, name, counter)
    return made


def write(path, lines, vendor="GE", z=1, extent=VOXEL[2], image_z=1):
    with ismrmrd.Dataset(path, "dataset", mode="w") as file:
        file.write_xml_header(HEADER.format(vendor=vendor, z=z, extent=extent, image_z=image_z).encode())
        for one in lines:
            file.append_acquisition(one)
    return path


def slices(vendor="GE", places=(0, 1, 2), moved=0.0, **others):
    """The lines of a point in the middle one of three slices; slice number n lies at place `places[n]` of the stack."""
    kspace = np.outer(waves(ROWS, POINT[0], vendor), waves(COLUMNS, POINT[1], vendor))
    rng = np.random.default_rng(0)
    noise = 1e-3 * (rng.standard_normal((SLICES, ROWS, COLUMNS)) + 1j * rng.standard_normal((SLICES, ROWS, COLUMNS)))
    found = []
    for number, place in enumerate(places):
        values = kspace * (place == 1) + noise[number]
        centre = CENTRE + (place - 1) * (VOXEL[2] + GAP) * SLICE + (place == 2) * moved * SLICE
        columns = range(COLUMNS)
        found += [
            line(values[None, :, one], centre, slice=number, kspace_encode_step_1=one, **others) for one in columns
        ]
    return found


TRUE = CENTRE + POINT[0] * VOXEL[0] * READ + POINT[1] * VOXEL[1] * PHASE


@pytest.mark.parametrize(("vendor", "places"), [("GE", (0, 1, 2)), ("SIEMENS", (0, 1, 2)), ("GE", (0, 2, 1))])
def test_a_point_lies_in_nifti_and_dicom_where_it_lay_in_the_patient(tmp_path, vendor, places, capsys):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed: jaxcs[nifti]")
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: jaxcs[dicom]")
    write(tmp_path / "scan.h5", slices(vendor, places), vendor)
    assert data_prep.main(["ismrmrd", str(tmp_path / "scan.h5"), str(tmp_path / "data")]) == 0
    flags = [
        "--data",
        str(tmp_path / "data"),
        "--acceleration",
        "1",
        "--center-fraction",
        "0.5",
        "--format",
        "nifti",
        "dicom",
    ]
    code = reconstruct.main(["--method", "zero_filled", *flags, "--output", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert code == 0, said
    assert "place in the patient" not in said
    image = nibabel.load(tmp_path / "out" / "clean" / "scan.nii.gz")
    assert image.shape == (20, 16, SLICES)
    bright = np.unravel_index(np.argmax(image.get_fdata()), image.shape)
    found = image.affine @ (*bright, 1)
    np.testing.assert_allclose(found[:3] * (-1, -1, 1), TRUE, atol=1e-3)
    np.testing.assert_allclose(image.header.get_zooms(), (VOXEL[1], VOXEL[0], VOXEL[2] + GAP), rtol=1e-5)
    assert image.header["qform_code"] == image.header["sform_code"] == 1
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-3)
    files = [pydicom.dcmread(one) for one in sorted((tmp_path / "out" / "clean" / "scan-dicom").iterdir())]
    shown = files[1]
    row, column = np.unravel_index(np.argmax(shown.pixel_array), shown.pixel_array.shape)
    # PS3.3, C.7.6.2.1.1, equation C.7.6.2.1-1.
    along_row, along_column = np.reshape(shown.ImageOrientationPatient, (2, 3)).astype(float)
    apart_rows, apart_columns = map(float, shown.PixelSpacing)
    place = (
        np.array(shown.ImagePositionPatient, float)
        + along_row * apart_columns * column
        + along_column * apart_rows * row
    )
    np.testing.assert_allclose(place, TRUE, atol=1e-3)
    assert float(shown.SpacingBetweenSlices) == pytest.approx(VOXEL[2] + GAP)
    assert len({one.FrameOfReferenceUID for one in files}) == 1
    steps = np.diff([np.array(one.ImagePositionPatient, float) for one in files], axis=0)
    np.testing.assert_allclose(steps, np.tile((VOXEL[2] + GAP) * SLICE, (2, 1)), atol=1e-3)


def test_slices_by_interleaved_counters_are_put_in_order_and_noted(tmp_path):
    (volume,) = volumes(write(tmp_path / "scan.h5", slices(places=(1, 2, 0))))
    energy = np.sum(np.abs(volume.kspace) ** 2, axis=(1, 2, 3))
    assert np.argmax(energy) == 1
    assert any("slices in the order of their places" in note for note in volume.notes)
    (volume,) = volumes(write(tmp_path / "scan.h5", slices(places=(2, 1, 0))))
    assert not any("order of their places" in note for note in volume.notes)  # from the other end is in order, too
    place = volume.geometry.affine @ (COLUMNS // 2, 16 // 2, 0, 1)
    np.testing.assert_allclose(place[:3] * (-1, -1, 1), CENTRE + (VOXEL[2] + GAP) * SLICE, atol=1e-4)


def test_the_slices_of_a_slab_have_their_places(tmp_path):
    partitions, offset = 8, -2
    depth = waves(partitions, offset, "GE")
    plane = np.outer(waves(ROWS, POINT[0], "GE"), waves(COLUMNS, POINT[1], "GE"))
    lines = [
        line(depth[step] * plane[None, :, one], CENTRE, kspace_encode_step_1=one, kspace_encode_step_2=step)
        for step in range(partitions)
        for one in range(COLUMNS)
    ]
    write(tmp_path / "scan.h5", lines, z=partitions, extent=partitions * VOXEL[2], image_z=6)
    (volume,) = volumes(tmp_path / "scan.h5")
    image = np.abs(np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(volume.kspace[:, 0], (1, 2)), axes=(1, 2)), (1, 2)))
    index, row, column = np.unravel_index(np.argmax(image), image.shape)
    place = volume.geometry.affine @ (column, row, index, 1)
    np.testing.assert_allclose(place[:3] * (-1, -1, 1), TRUE + offset * VOXEL[2] * SLICE, atol=1e-4)
    (padded,) = stanford.volumes(tmp_path / "scan.h5", "principled")
    # The image lies in the middle of one twice as large.
    moved = padded.geometry.affine @ (column + COLUMNS // 2, row + 16 // 2, index, 1)
    np.testing.assert_allclose(moved, place, atol=1e-6)


def lines_with(change):
    found = slices()
    change(found)
    return found


def test_what_contradicts_itself_has_no_place(tmp_path):
    def turn(lines):
        lines[5].phase_dir[:] = SLICE

    def no_number(lines):
        for one in lines:
            one.position[:] = (np.nan, 0, 0)

    def far(lines):
        for one in lines[COLUMNS:]:
            one.position[:] = (3e38, -3e38, 3e38)

    def without(lines):
        for one in lines:
            one.slice_dir[:] = (0, 0, 0)

    def slanted(lines):
        for one in lines:
            one.read_dir[:] = (READ + PHASE) / np.sqrt(2)

    for wrong in (turn, no_number, far, without, slanted):
        (volume,) = volumes(write(tmp_path / "scan.h5", lines_with(wrong)))
        assert volume.geometry == VoxelGeometry(tuple(VOXEL)), wrong.__name__
    (volume,) = volumes(write(tmp_path / "scan.h5", slices(moved=0.5)))  # not evenly spaced
    assert volume.geometry.affine is None
