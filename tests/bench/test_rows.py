"""Rows of records: what is written is what is read, of older and newer versions too."""

import json

from bench.record.record_forms import LINES
from bench.record.rows import SearchRow, read_rows, row_of, search_of
from tests.helpers.rows import row


def test_a_row_is_read_as_it_was_written():
    full = row(zero_filled=0.1, norm=0.2, flags=("below noise", "randomised"), solver_error_clean=0.0, clamped=0.5)
    for one in (full, row()):
        line = json.loads(json.dumps(one.line()))
        LINES["images.jsonl"](line)
        assert row_of(line) == one
    assert {"clamped", "clamped_clean"} & set(row().line()) == set()
    search = SearchRow(case="a", source="l1", attack="pgd", eps=0.1, trace=(0.1, None), gradient_free=0.3)
    line = json.loads(json.dumps(search.line()))
    LINES["searches.jsonl"](line)
    assert search_of(line) == search
    assert search.best == 0.1


def test_rows_of_other_versions_are_read_and_failed_images_have_none():
    line = row().line()
    older = {name: value for name, value in line.items() if value is not None}
    assert read_rows([older, line | {"new": [1]}, {"case": "b", "failed": "why"}]) == [row(), row()]
