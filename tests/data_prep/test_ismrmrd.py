"""ISMRMRD files, made by the format's own Python library, including hostile files."""

from contextlib import suppress

import h5py
import numpy as np
import pytest

from data_prep import stanford
from data_prep.cases import InputError
from data_prep.geometry import VoxelGeometry, geometry_of
from data_prep.ismrmrd import volumes
from data_prep.layout import write_volume
from tests.helpers.asserts import complex_normal, refused, relative_error

ismrmrd = pytest.importorskip("ismrmrd", reason="ismrmrd, which writes the files, is not installed: jaxcs[test]")

COILS, ROWS, COLUMNS = 2, 16, 12
HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <subjectInformation><patientID>P7</patientID></subjectInformation>
  <measurementInformation><protocolName>t2_tse</protocolName></measurementInformation>
  <acquisitionSystemInformation><systemVendor>{vendor}</systemVendor></acquisitionSystemInformation>
  <encoding>
    <encodedSpace><matrixSize><x>16</x><y>12</y><z>{z}</z></matrixSize></encodedSpace>
    <reconSpace><matrixSize><x>{x}</x><y>10</y><z>{image_z}</z></matrixSize></reconSpace>
    <encodingLimits>
      <kspace_encoding_step_1><minimum>0</minimum><maximum>11</maximum><center>{centre}</center></kspace_encoding_step_1>
    </encodingLimits>
    <trajectory>{trajectory}</trajectory>
  </encoding>
</ismrmrdHeader>"""
DEFAULTS = {"vendor": "GE", "x": 16, "z": 1, "image_z": 1, "centre": 6, "trajectory": "cartesian"}


def random_kspace(*shape):
    return np.asarray(complex_normal(np.random.default_rng(7), shape), np.complex64)


KSPACE = random_kspace(3, COILS, ROWS, COLUMNS)


def transform(function, values, *axes):
    return np.fft.fftshift(function(np.fft.ifftshift(values, axes=axes), axes=axes, norm="ortho"), axes=axes)


def line(values, flag=None, centre=ROWS // 2, before=0, after=0, **counters):
    """Make an acquisition of values (coil, sample) with these counters."""
    acquisition = ismrmrd.Acquisition.from_array(np.ascontiguousarray(values, np.complex64))
    acquisition.center_sample, acquisition.discard_pre, acquisition.discard_post = centre, before, after
    for name, counter in counters.items():
        setattr(acquisition.idx, name, counter)
    if flag:
        acquisition.setFlag(flag)
    return acquisition


def slices(kspace=KSPACE, columns=range(COLUMNS), first=0, **others):
    """Make a line for each of these columns of each slice, counted from `first`."""
    return [
        line(coils[:, :, column], slice=index, kspace_encode_step_1=column - first, **others)
        for index, coils in enumerate(kspace)
        for column in columns
    ]


def write(path, acquisitions, header=HEADER, group="dataset", mode="w", **places):
    """Write the file; the header is filled in, or left out if it is None."""
    with ismrmrd.Dataset(path, group, mode=mode) as file:
        if header is not None:
            file.write_xml_header((header.format(**DEFAULTS | places) if "{" in header else header).encode())
        for acquisition in acquisitions:
            file.append_acquisition(acquisition)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scan.h5"


def only(path):
    (volume,) = volumes(path)
    assert volume.kspace.dtype == np.complex64
    return volume


def test_slices_come_back_exactly(path):
    acquisitions = slices()
    volume = only(write(path, [acquisitions[index] for index in np.random.default_rng(0).permutation(36)]))
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    assert (volume.name, volume.crop, volume.mask, volume.padding) == ("scan", (16, 10), None, (0, COLUMNS))
    assert (volume.acquisition, volume.patient, volume.notes) == ("t2_tse", "P7", ())
    with h5py.File(write_volume(path.parent / "written", volume)) as file:
        assert file["reconstruction_rss"].shape == (3, 16, 10)


@pytest.mark.parametrize("chunk", [(36,), (5,), (7, 1)])
def test_records_in_other_chunks_and_as_a_column_are_read(path, chunk):
    write(path, slices())
    with h5py.File(path, "a") as file:
        records = file["dataset/data"][()]
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=records.reshape(36, *chunk[1:]), chunks=chunk)
    np.testing.assert_array_equal(only(path).kspace, KSPACE)


def test_coils_are_whitened_by_the_noise_scans(path):
    rng = np.random.default_rng(3)
    mixing = np.array([[1e-4, 0], [0.6e-4 + 0.3e-4j, 0.5e-4]])
    noise = mixing @ np.asarray(complex_normal(rng, (COILS, 4, 1000))).reshape(COILS, -1)
    scans = [line(part, ismrmrd.ACQ_IS_NOISE_MEASUREMENT) for part in np.split(noise, 4, axis=1)]
    silent = np.tensordot(mixing, random_kspace(COILS, 3, ROWS, COLUMNS), 1).swapaxes(0, 1)
    volume = only(write(path, scans + slices(silent)))
    assert volume.notes == ("coils whitened by 4000 noise samples",)
    samples = volume.kspace.swapaxes(0, 1).reshape(COILS, -1)
    np.testing.assert_allclose(samples @ samples.conj().T / samples.shape[1], np.eye(COILS), atol=0.15)
    # Exactly: the inverse Cholesky factor of the noise's covariance.
    inverse = np.linalg.inv(np.linalg.cholesky(noise @ noise.conj().T / noise.shape[1]))
    assert relative_error(volume.kspace, np.einsum("dc,scyx->sdyx", inverse, silent)) < 1e-4


def test_a_singular_noise_scan_is_noted_and_not_used(path):
    scan = line(np.ones((COILS, 8)), ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    volume = only(write(path, [scan, *slices()]))
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    assert "singular" in volume.notes[0]


def test_averages_are_averaged_and_other_counters_make_volumes(path):
    lines = slices(average=0) + slices(3 * KSPACE, average=1)
    lines += slices(5 * KSPACE, contrast=1) + slices(7 * KSPACE, contrast=1, repetition=2) + slices(9 * KSPACE, set=1)
    read = {volume.name: volume for volume in volumes(write(path, lines))}
    factors = {"scan": 2, "scan-set1": 9, "scan-contrast1": 5, "scan-contrast1-repetition2": 7}
    assert read.keys() == factors.keys()
    for name, factor in factors.items():
        np.testing.assert_allclose(read[name].kspace, factor * KSPACE, rtol=1e-6)
    assert read["scan"].notes == ("mean over up to 2 measurements of a sample",)


def test_lines_without_image_are_left_out(path):
    flags = ("NAVIGATION_DATA", "PHASECORR_DATA", "DUMMYSCAN_DATA", "PARALLEL_CALIBRATION", "RTFEEDBACK_DATA")
    others = [line(100 * KSPACE[0, :, :, 0], getattr(ismrmrd, f"ACQ_IS_{flag}")) for flag in flags]
    both = slices(flag=ismrmrd.ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING)
    volume = only(write(path, others + both))
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    counts = "1 of navigation, 1 of phase correction, 1 of feedback, 1 of dummy scan, 1 of calibration"
    assert volume.notes == (f"lines left out: {counts}",)


@pytest.mark.parametrize("reverse", [False, True])
def test_samples_to_discard_are_discarded(path, reverse):
    padded = np.pad(KSPACE, ((0, 0), (0, 0), (3, 2), (0, 0)), constant_values=99)
    lines = slices(padded, centre=ROWS // 2 + 3, before=3, after=2)
    if reverse:
        flag = ismrmrd.ACQ_IS_REVERSE
        lines = slices(padded[:, :, ::-1], centre=ROWS // 2 + 3, before=2, after=3, flag=flag)
    np.testing.assert_array_equal(only(write(path, lines)).kspace, KSPACE)


def test_partial_fourier_and_asymmetric_echo_leave_zeros(path):
    # Columns 3 to 11 and rows 4 to 15 are measured; their counters and samples begin at 0.
    volume = only(write(path, slices(KSPACE[:, :, 4:], range(3, COLUMNS), first=3, centre=4), centre=3))
    expected = KSPACE.copy()
    expected[:, :, :4], expected[..., :3] = 0, 0
    np.testing.assert_array_equal(volume.kspace, expected)
    assert (volume.padding, volume.mask) == ((3, COLUMNS), None)
    assert volume.notes == (
        "columns [3, 12) measured, zero elsewhere",
        "asymmetric echo, zero where it was not measured",
    )


def test_missing_columns_are_the_mask(path):
    columns = [0, 2, 5, 6, 7, 10]
    volume = only(write(path, slices(columns=columns)))
    np.testing.assert_array_equal(np.flatnonzero(volume.mask), columns)
    assert volume.padding == (0, 11)


def test_readout_oversampling_is_cut_in_the_image(path):
    volume = only(write(path, slices(), x=8))
    assert volume.kspace.shape == (3, COILS, 8, COLUMNS)
    image = transform(np.fft.ifftn, KSPACE, -2, -1)[..., 4:12, :]
    assert relative_error(transform(np.fft.ifftn, volume.kspace, -2, -1), image) < 1e-6
    assert volume.crop == (8, 10)
    assert volume.notes == ("readout oversampling removed, 16 rows to 8",)


def partitions(kspace, chosen):
    return [
        line(kspace[:, step, :, column], kspace_encode_step_1=column, kspace_encode_step_2=step)
        for step in chosen
        for column in range(COLUMNS)
    ]


def test_a_volume_is_transformed_along_its_partitions(path):
    image = random_kspace(COILS, 5, ROWS, COLUMNS)
    kspace = transform(np.fft.fftn, image, 1, 2, 3)
    volume = only(write(path, partitions(kspace, range(5)), z=5, image_z=5))
    assert relative_error(transform(np.fft.ifftn, volume.kspace, -2, -1), image.swapaxes(0, 1)) < 1e-6
    assert "5 slices" in volume.notes[0]
    volume = only(write(path, partitions(kspace, range(5)), z=5, image_z=3))
    assert relative_error(transform(np.fft.ifftn, volume.kspace, -2, -1), image[:, 1:4].swapaxes(0, 1)) < 1e-6
    refused(volumes, write(path, partitions(kspace, [0, 2, 4]), z=5), "partitions are under-sampled")


def test_the_image_is_not_mirrored_whichever_sign_the_vendor_has(path):
    image = np.zeros((1, COILS, ROWS, COLUMNS))
    image[..., 5, 4], image[..., 9, 2] = 1, 2  # not symmetric in any way
    for vendor, function in {"GE": np.fft.fftn, "SIEMENS": np.fft.ifftn}.items():
        volume = only(write(path, slices(transform(function, image, -2, -1)), vendor=vendor))
        assert relative_error(np.abs(transform(np.fft.ifftn, volume.kspace, -2, -1)), image) < 1e-6
        assert ("complex conjugate of Siemens k-space" in volume.notes) == (vendor == "SIEMENS")


def test_the_field_of_view_gives_the_size_of_a_voxel(path):
    extent = "<encodedSpace><fieldOfView_mm><x>32</x><y>36</y><z>{z}6</z></fieldOfView_mm>"
    write(path, slices(), HEADER.replace("<encodedSpace>", extent), x=8)
    # Of 16 x 12 samples; oversampling of the readout is removed, and the voxels stay.
    (volume,) = volumes(path)
    assert volume.geometry == VoxelGeometry((2.0, 3.0, 16.0))
    assert geometry_of(write_volume(path.parent / "data", volume), (8, 12), (8, 10)) == volume.geometry
    (published,) = stanford.volumes(path, "published")
    assert published.geometry == VoxelGeometry((3.0, 2.0, 16.0))
    write(path, slices(), x=8)
    assert next(volumes(path)).geometry is None


def test_the_stanford_fixes(path):
    write(path, slices())
    plain, published, principled = (next(stanford.volumes(path, fix)) for fix in ("none", "published", "principled"))
    np.testing.assert_array_equal(plain.kspace, KSPACE)
    assert published.kspace.shape == (3, COILS, 2 * COLUMNS, 2 * ROWS)
    np.testing.assert_array_equal(published.kspace[1, 0], np.rot90(np.kron(KSPACE[1, 0], np.ones((2, 2)))))
    assert (published.crop, principled.crop) == ((10, 16), (16, 10))
    image = transform(np.fft.ifftn, principled.kspace, -2, -1)
    assert relative_error(image[..., 8:24, 6:18], transform(np.fft.ifftn, KSPACE, -2, -1)) < 1e-6
    image[..., 8:24, 6:18] = 0
    assert np.abs(image).max() < 1e-6
    with pytest.raises(ValueError, match="must be one of none, published, principled"):
        next(stanford.volumes(path, "best"))


BOMB = HEADER.replace("?>", '?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>', 1)
HEADERS = {
    "missing": (None, "no header 'dataset/xml'"),
    "no XML": ("<a>", "'dataset/xml' is not an XML text"),
    "entities": (BOMB, "declares XML entities"),
    "long": ("<a>" + " " * 2**20 + "</a>", "'xml' has 1048583 bytes"),
    "no encoding": ("<a/>", "no 'encoding'"),
    "radial": (HEADER.replace("{trajectory}", "radial"), "trajectory 'radial'", "Cartesian"),
    "no matrix": (HEADER.replace("<y>12</y>", ""), "'encodedSpace' the matrix (16, None, 1)"),
    "huge matrix": (HEADER.replace("<y>12</y>", "<y>99999</y>"), "99999"),
    "sparse": (HEADER.replace("<y>12</y>", "<y>4000</y>"), "matrix (16, 4000, 1), for 36 lines"),
    "small matrix": (HEADER.replace("<y>12</y>", "<y>8</y>"), "lies outside the header's matrix"),
    "centre": (HEADER.replace("{centre}", "9" * 30), "k-space centre at line"),
    "no number": (HEADER.replace("{centre}", "six"), "whole numbers"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_cannot_be_used_is_refused(path, name):
    header, *words = HEADERS[name]
    refused(volumes, write(path, slices(), header), *words)


def test_lines_that_cannot_be_used_are_refused(path):
    refused(volumes, write(path, []), "no lines 'dataset/data'")
    refused(volumes, write(path, slices()[:-1]), "slices differ in the columns")
    refused(volumes, write(path, [*slices(), line(np.ones((3, ROWS)))]), "lines of [2, 3] coils")
    refused(volumes, write(path, [line(np.ones((COILS, ROWS)), ismrmrd.ACQ_IS_NOISE_MEASUREMENT)]), "no imaging lines")
    refused(volumes, write(path, slices(np.where(np.abs(KSPACE) > 2, np.nan, KSPACE))), "NaN")
    with h5py.File(path, "w") as file:
        file["kspace"] = KSPACE
    refused(volumes, path, "no group 'dataset'")


def test_data_elsewhere_are_refused(path):
    write(path.parent / "other.h5", slices())
    for where, link in {"dataset": "/dataset", "dataset/data": "/dataset/data"}.items():
        write(path, slices())
        with h5py.File(path, "a") as file:
            del file[where]
            file[where] = h5py.ExternalLink("other.h5", link)
        refused(volumes, path, "soft or external link")


def test_damaged_files_are_refused_or_read_and_never_hang(path):
    whole = write(path, slices(KSPACE[:1])).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(volumes, path)
    rng = np.random.default_rng(1)
    for _ in range(40):
        content = bytearray(whole)
        for place in rng.integers(len(whole), size=20):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        with suppress(InputError):
            list(volumes(path))


@pytest.mark.parametrize(("place", "value"), [(0, 2**32 - 2), (4, 2**62), (4, 0), (12, 60000)])
def test_a_line_that_points_astray_is_refused(path, place, value):
    write(path, slices())
    with h5py.File(path) as file:
        info = file["dataset/data"].id.get_chunk_info_by_coord((5,))
        start = info.byte_offset + file["dataset/data"].dtype.fields["data"][1]
    content = bytearray(path.read_bytes())
    width = 8 if place == 4 else 4
    content[start + place : start + place + width] = value.to_bytes(width, "little")
    path.write_bytes(content)
    refused(volumes, path, "line 5")
