"""Radiologists' boxes: the flip into fastMRI's frame, the counts, hostile tables, and fastMRI+ itself."""

import numpy as np
import pytest

from data_prep import safe_csv
from data_prep.boxes import flip_rows, read_boxes
from data_prep.cases import Box, InputError
from tests.helpers.places import DATA

ANNOTATIONS = DATA / "annotations" / "knee.csv"
HEADER = "file,slice,study_level,x,y,width,height,label"
ROWS, COLUMNS = 40, 32


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def read(path, minimum_side=None):
    return read_boxes(path, lambda file: None if file == "elsewhere" else (ROWS, COLUMNS), minimum_side)


@pytest.mark.parametrize(("x", "y", "width", "height"), [(5, 3, 7, 4), (0, 0, 32, 40), (31, 39, 1, 1), (10, 0, 2, 9)])
def test_a_flipped_box_covers_exactly_the_pixels_that_were_drawn(tmp_path, x, y, width, height):
    annotated = np.zeros((ROWS, COLUMNS))
    annotated[y : y + height, x : x + width] = 1
    target = np.flipud(annotated)
    (box,) = read(table(tmp_path, f"file1,0,No,{x},{y},{width},{height},Meniscus Tear")).boxes
    covered = np.zeros_like(target)
    covered[box.row : box.row + box.rows, box.column : box.column + box.columns] = 1
    np.testing.assert_array_equal(covered, target)


def test_flipping_twice_changes_nothing():
    assert flip_rows(flip_rows(3, 4, ROWS), 4, ROWS) == 3


@pytest.mark.parametrize(
    ("header", "line", "label"),
    [
        (HEADER, "file1.h5,2,No,5,3,7,4,Meniscus Tear", "Meniscus Tear"),
        ("Filename,Slice,X,Y,Width,Height", "file1.h5,2,5,3,7,4", ""),
        ("\ufefflabel, height, width, y, x, slice, filename", '"tear, medial",4,7.0,3,5,2,file1', "tear, medial"),
    ],
)
def test_headers_vary_in_names_order_and_case(tmp_path, header, line, label):
    assert read(table(tmp_path, line, header=header)).boxes == [Box("file1", 2, 33, 5, 4, 7, label)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_are_read_as_spreadsheets_save_them(tmp_path, separator, encoding):
    """Numbers have decimal commas if commas do not separate columns; a cell may have two lines."""
    first, number = ("", "3.5") if separator == "," else (f"sep={separator}\r\n", "3,5")
    rows = (HEADER.split(","), ["Müller", "2", "No", "5", number, "7", "4", '"tear\n""ü"" medial"'], [""] * 8)
    path = tmp_path / "boxes.csv"
    path.write_bytes((first + "".join(separator.join(row) + "\r\n" for row in rows)).encode(encoding))
    found = read(path)
    assert found.boxes == [Box("Müller", 2, 32, 5, 5, 7, 'tear?"ü" medial')]
    assert found.total == 1


def test_a_comma_in_a_number_is_no_decimal_comma_in_a_table_with_commas(tmp_path):
    assert read(table(tmp_path, 'a,0,No,5,"1,234",7,4,x')).unusable == 1


def test_degenerate_boxes_are_dropped_or_widened_inside_the_image(tmp_path):
    path = table(tmp_path, "a,0,No,5,10,6,0,flat", "a,0,No,32,0,0,0,point", "a,0,No,1,1,2,2,whole")
    dropped = read(path)
    assert (dropped.total, dropped.dropped, dropped.padded, len(dropped.boxes)) == (3, 2, 0, 1)
    widened = read(path, minimum_side=4)
    assert (widened.dropped, widened.padded, widened.clipped) == (0, 2, 0)
    assert widened.boxes[0] == Box("a", 0, 28, 5, 4, 6, "flat")
    assert widened.boxes[1] == Box("a", 0, 36, 28, 4, 4, "point")
    assert widened.boxes[2] == Box("a", 0, 37, 1, 2, 2, "whole")
    with pytest.raises(ValueError, match="at least 1"):
        read(path, minimum_side=0)


def test_boxes_are_cut_to_the_image(tmp_path):
    found = read(table(tmp_path, "a,0,No,-2,-1,6,5,corner", "a,0,No,30,38,9,9,corner", "a,0,No,50,3,4,4,beside"))
    assert (found.clipped, found.outside) == (2, 1)
    assert found.boxes == [Box("a", 0, 36, 0, 4, 4, "corner"), Box("a", 0, 0, 30, 2, 2, "corner")]


def test_rows_without_a_usable_box_are_counted(tmp_path):
    unusable = ["nan,3,4,4", "inf,3,4,4", "1e9,3,4,4", "1,3,-4,4", "one,3,4,4", ",,,", "1,3,4", f"{'9' * 400},3,4,4"]
    lines = [f"a,0,No,{numbers}" for numbers in unusable]
    lines += ["a,-1,No,1,3,4,4,", "a,0.5,No,1,3,4,4,", ",0,No,1,3,4,4,", "a,nan,No,1,3,4,4,"]
    found = read(table(tmp_path, "a,0,Yes,,,,,artifact", "elsewhere,0,No,1,1,1,1,x", "", *lines))
    assert (found.study_level, found.unknown, found.unusable) == (1, 1, len(lines))
    assert found.boxes == []
    assert found.total == len(lines) + 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "column 'file' 0 times"),
        (b"file,filename,slice,x,y,width,height\n", "column 'file' 2 times"),
        (b"file,slice,x,y,width\n", "column 'height' 0 times"),
        (HEADER.encode() + b'\na,0,No,1,1,1,1,"open\n', "line 2"),
        (HEADER.encode() + b"\n" + b"," * 20_000, "line 2"),
        (b"\x00\x01\x02\xff" * 100, "null characters"),
        (HEADER.encode("utf-16-le"), "null characters"),
        (HEADER.replace(",", ":").encode(), "once, and save it as CSV in UTF-8, with commas, semicolons or tabs"),
    ],
)
def test_tables_that_are_none_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "boxes.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


def test_tables_without_end_are_refused(tmp_path, monkeypatch):
    path = table(tmp_path, *["a,0,No,1,1,1,1,x"] * 6)
    monkeypatch.setattr(safe_csv, "_MOST_ROWS", 5)
    with pytest.raises(InputError, match="more than 5 rows"):
        read(path)
    monkeypatch.setattr(safe_csv, "_LARGEST_FILE", 100)
    with pytest.raises(InputError, match="at most 100"):
        read(path)
    for other in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(InputError):
            read(other)


def test_labels_cannot_break_a_line(tmp_path):
    (box,) = read(table(tmp_path, f"a,0,No,1,1,1,1,tear\x1b[2J{'x' * 500}")).boxes
    assert box.label.isprintable()
    assert len(box.label) == 200


@pytest.mark.skipif(not ANNOTATIONS.exists(), reason=f"fastMRI+ is not at {ANNOTATIONS}")
def test_fastmri_plus_knees():
    found = read_boxes(ANNOTATIONS, lambda _: (320, 320), minimum_side=None)
    assert (found.total, found.study_level, found.dropped, found.clipped) == (16167, 13, 1, 6)
    assert (found.outside, found.unknown, found.unusable) == (0, 0, 0)
    assert len(found.boxes) == 16167 - 13 - 1
    assert found.boxes[0] == Box("file1000001", 14, 137, 90, 10, 35, "Cartilage - Partial Thickness loss/defect")
    assert read_boxes(ANNOTATIONS, lambda _: (320, 320), minimum_side=8).padded == 1
