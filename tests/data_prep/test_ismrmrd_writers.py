"""ISMRMRD files of many writers: the meaning of a field that is unset or counted in another way."""

import h5py
import numpy as np
import pytest

from data_prep import stanford
from data_prep.ismrmrd import volumes
from data_prep.ismrmrd_lines import _COUNTERS, _NUMBERS
from data_prep.layout import write_volume
from tests.data_prep.test_ismrmrd import (
    COLUMNS,
    DEFAULTS,
    HEADER,
    KSPACE,
    ROWS,
    ismrmrd,
    line,
    only,
    path,
    slices,
    write,
)
from tests.helpers.asserts import refused

__all__ = ["path"]  # a fixture

GRID, BETWEEN = (0, 2, 4, 6, 8, 10), (5, 7)
CALIBRATED = HEADER.replace(
    "</encoding>",
    "<parallelImaging><calibrationMode>{mode}</calibrationMode></parallelImaging></encoding>",
)


def calibrated():
    """Every second column, and between them two calibration columns, whose neighbours serve both purposes."""
    both, alone = ismrmrd.ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING, ismrmrd.ACQ_IS_PARALLEL_CALIBRATION
    lines = slices(columns=(0, 2, 10)) + slices(columns=(4, 6, 8), flag=both)
    return lines + slices(columns=BETWEEN, flag=alone)


def test_calibration_lines_of_the_scan_itself_are_measured_ones(path):
    for header in (HEADER, CALIBRATED.replace("{mode}", "embedded")):
        volume = only(write(path, calibrated(), header))
        measured = sorted((*GRID, *BETWEEN))
        np.testing.assert_array_equal(np.flatnonzero(volume.mask), measured)
        np.testing.assert_array_equal(volume.kspace[..., measured], KSPACE[..., measured])
        assert volume.notes[0] == "6 calibration lines of the scan itself count as measured"


@pytest.mark.parametrize("why", ["separate", "shorter", "no line serves both"])
def test_calibration_lines_of_another_scan_are_left_out(path, why):
    lines, header = calibrated(), HEADER
    if why == "separate":
        header = CALIBRATED.replace("{mode}", "separate")
    elif why == "shorter":
        short = slices(KSPACE[:, :, 4:12], BETWEEN, flag=ismrmrd.ACQ_IS_PARALLEL_CALIBRATION, centre=4)
        lines = lines[:18] + short
    else:
        lines = slices(columns=GRID) + slices(columns=BETWEEN, flag=ismrmrd.ACQ_IS_PARALLEL_CALIBRATION)
    volume = only(write(path, lines, header))
    np.testing.assert_array_equal(np.flatnonzero(volume.mask), GRID)
    assert volume.notes[0] == "lines left out: 6 of calibration"


@pytest.mark.parametrize(
    ("centre", "note"),
    [
        (ROWS // 2, None),
        (ROWS - 1 - ROWS // 2, "center_sample of reversed lines counts in the order of storage"),
    ],
)
def test_reversed_lines_are_turned_round_whichever_order_their_centre_counts_in(path, centre, note):
    lines = slices(columns=range(0, COLUMNS, 2))
    lines += slices(KSPACE[:, :, ::-1], range(1, COLUMNS, 2), flag=ismrmrd.ACQ_IS_REVERSE, centre=centre)
    # Shorter lines do not reveal the order: they follow the others.
    cut = centre - 2 if note is None else centre
    short = KSPACE[:, :, :1:-1]
    lines[-1] = line(short[2, :, :, 11], ismrmrd.ACQ_IS_REVERSE, cut, slice=2, kspace_encode_step_1=11)
    volume, expected = only(write(path, lines)), KSPACE.copy()
    expected[2, :, :2, 11] = 0
    np.testing.assert_array_equal(volume.kspace, expected)
    assert volume.notes == (() if note is None else (note,))


@pytest.mark.parametrize("flag", [None, ismrmrd.ACQ_IS_REVERSE])
def test_lines_without_centre_that_are_as_long_as_the_matrix_have_one_place(path, flag):
    volume = only(write(path, slices(KSPACE[:, :, ::-1] if flag else KSPACE, centre=0, flag=flag)))
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    assert volume.notes == ("center_sample is 0 in 36 lines as long as the matrix, which therefore begin in row 0",)
    # Half an echo is not as long as the matrix.
    half = only(write(path, slices(KSPACE[:, :, ROWS // 2 :], centre=0)))
    np.testing.assert_array_equal(half.kspace[:, :, ROWS // 2 :], KSPACE[:, :, ROWS // 2 :])
    assert not half.kspace[:, :, : ROWS // 2].any()


OUTSIDE = {
    "center_sample": (
        {"centre": 5},
        "its center_sample is 5, which puts its 16 samples at row 3 of 16",
        "to number_of_samples // 2",
    ),
    "number_of_samples": ({"kspace": np.pad(KSPACE, ((0, 0), (0, 0), (0, 2), (0, 0)))}, "its number_of_samples is 18"),
    "discard_pre": ({"before": 9, "after": 8}, "of which discard_pre and discard_post leave -1"),
    "kspace_encode_step_1": ({"first": -1}, "its kspace_encode_step_1 is 12, and the center", "line 12 of 12"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_line_outside_the_matrix_names_the_field(path, name):
    changes, *words = OUTSIDE[name]
    refused(volumes, write(path, slices(**changes)), "lies outside the header's matrix (16, 12, 1)", name, *words)


def test_a_scan_in_another_group_is_found_if_it_is_the_only_one(path):
    write(path, slices(), group="scan1")
    with h5py.File(path, "a") as file:
        file["other/data"] = 1
    volume = only(path)
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    assert volume.notes == ("from the group 'scan1'",)
    with h5py.File(path, "r+") as file:
        h5py.h5o.link(file["scan1"].id, file.id, "Köpfe".encode("latin-1"))
        del file["scan1"]
    volume = only(path)
    assert volume.notes == ("from the group 'K?pfe'",)
    write_volume(path.parent / "written", volume)
    write(path, slices(), group="scan1")
    write(path, slices(), group="scan2", mode="r+")
    refused(volumes, path, "2 groups with a scan, 'scan1', 'scan2'", "-s scan1 -d dataset")
    np.testing.assert_array_equal(only(write(path, slices(2 * KSPACE), mode="r+")).kspace, 2 * KSPACE)


def test_without_reconspace_the_image_has_the_encoded_size(path):
    start, end = HEADER.index("<reconSpace>"), HEADER.index("</reconSpace>") + len("</reconSpace>")
    volume = only(write(path, slices(), HEADER[:start] + HEADER[end:]))
    np.testing.assert_array_equal(volume.kspace, KSPACE)
    assert (volume.crop, volume.notes) == (
        (ROWS, COLUMNS),
        ("no reconSpace in the header, the image has the size of the encoded matrix",),
    )


def test_the_header_may_be_in_latin_1(path):
    header = HEADER.replace("t2_tse", "t2_größer").format(**DEFAULTS).encode("latin-1")
    write(path, slices())
    with h5py.File(path, "a") as file:
        del file["dataset/xml"]
        file["dataset/xml"] = np.array([header], h5py.string_dtype())
    assert only(path).acquisition == "t2_größer"


@pytest.mark.parametrize("name", ["number_of_samples", "center_sample", "kspace_encode_step_1"])
def test_numbers_too_wide_to_be_counted_with_are_refused(path, name):
    """2^62 + 16 samples times 2 coils times 2 numbers give 64 in 64 bits, which is the length of a line."""
    write(path, slices())
    head = np.dtype([*((field, "<u8") for field in _NUMBERS), ("idx", [(counter, "<u8") for counter in _COUNTERS])])
    with h5py.File(path, "a") as file:
        records = file["dataset/data"][()]
        kinds = [("head", head), *((field, records.dtype[field]) for field in ("traj", "data"))]
        copy = np.zeros(len(records), kinds)
        for field in _NUMBERS:
            copy["head"][field] = records["head"][field]
        for field in _COUNTERS:
            copy["head"]["idx"][field] = records["head"]["idx"][field]
        copy["traj"], copy["data"] = records["traj"], records["data"]
        (copy["head"]["idx"] if name in _COUNTERS else copy["head"])[name][5] += np.uint64(2**62)
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=copy, chunks=(4,))
    refused(volumes, path, "numbers up to 46116860184273", f"as '{name}'", "at most 65535")


def test_stored_with_a_filter_the_remedy_is_a_command(path):
    write(path, slices())
    with h5py.File(path, "a") as file:
        records = file["dataset/data"][()]
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=records, chunks=(4,), compression="gzip", shuffle=True)
    refused(volumes, path, "stored with the filters shuffle (2), gzip (1)", "h5repack -f NONE FILE NEW.h5")


def test_more_than_fits_is_refused_before_it_is_read(path, monkeypatch):
    noise = line(np.ones((2, 1000)), ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    write(path, [noise, noise, *slices()])
    monkeypatch.setattr("data_prep.ismrmrd.LARGEST_DATASET", KSPACE.nbytes)
    refused(volumes, path, "noise scans of 32000 bytes", f"at most {KSPACE.nbytes}")
    write(path, slices())
    monkeypatch.setattr("data_prep.stanford.LARGEST_DATASET", 4 * KSPACE.nbytes - 1)
    refused(lambda path: stanford.volumes(path, "published"), path, f"makes {4 * KSPACE.nbytes} bytes of k-space")
