"""Edited, damaged or hostile run folders: one line and exit code 3, or the results that are still readable."""

import copy
import json
import os
import signal
import zipfile

import numpy as np
import pytest

from bench import attack, claims, compare, features, hardest, merge, report, stability, train, tune
from bench.page.comparison import comparison
from bench.page.page import page_of
from bench.plan.errors import InputFileError
from bench.record.forms import list_of, number, optional, table, text, whole
from bench.record.reading import read_json
from bench.record.record import read
from bench.record.records import RunFolder
from bench.studies.features import row_forms
from bench.studies.tuning.tuned_file import read_tuned
from tests.helpers.run_folder import write_run

DEEP = "[" * 5000 + "]" * 5000
# JSON that somebody may put in the place of a value.
ODD = (
    "null", '"x"', '""', "-1", "0", "1e308", "-1e308", "1e999", "NaN", "-Infinity", "[]", "{}", "[[]]", '{"a": 1}',
    "1" + "0" * 30, "true", '"\\u0000\\u001b[31m"', '"\\ud800"', "0.5", '"1"', DEEP,
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_endless_wait():
    """A process that opens a pipe would wait for ever."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run", shape=(8, 7))


def paths(value, at=()):
    """List the places of a value that can be edited."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def edited(value, at, odd):
    """Give JSON of a value with the JSON `odd` in one place, or without that place for None."""
    value = copy.deepcopy(value)
    whole = [value]
    place, key = whole, 0
    for name in at:
        place, key = place[key], name
    if odd is None:
        del place[key]
    else:
        place[key] = "ODD"
    return json.dumps(whole)[1:-1].replace('"ODD"', odd or "")


def edits(content):
    """Remove every place of a value, and put one odd value after another into it."""
    number_of = 0
    for at in paths(content):
        for odd in ([None] if at else []) + [ODD[(number_of + step) % len(ODD)] for step in (0, 7, 14)]:
            number_of += 1
            yield edited(content, at, odd)


@pytest.mark.parametrize("name", ["run.json", "images.jsonl", "searches.jsonl"])
def test_whatever_is_edited_a_page_is_made_or_one_line_says_why_not(folder, name):
    lines = (folder / name).read_text().splitlines()
    first = json.loads("".join(lines)) if name == "run.json" else json.loads(lines[0])
    said, made = [], 0
    for text_of in edits(first):
        (folder / name).write_text("\n".join([text_of] + ([] if name == "run.json" else lines[1:])) + "\n")
        try:
            page_of(folder)
            made += 1
            if made % 5 == 0:
                comparison([folder, folder])
        except InputFileError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(line.isprintable() for line in said)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf{}", "is damaged"),
        ('{"a": 1}'.encode("utf-16"), "utf-8"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": 1e999}', "inf is no number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is damaged"),
        (b'{"a": 1, "b": ' + b'{"c":' * 60 + b"1" + b"}" * 61, "nests over 30 deep"),
        (DEEP.encode(), "RecursionError"),
        (b"[1]", "a list is no object"),
        (b"", "is damaged"),
    ],
)
def test_json_is_strict(tmp_path, content, words):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        read_json(tmp_path / "x.json", table({"a": number}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (text, ["", "a"], [None, 1, [], True]),
        (number, [0, -1.5, 3e38], ["1", None, True, float("inf"), float("nan"), 1e39, 10**400]),
        (whole(1, 5), [1, 5], [0, 6, 1.0, True, "1", 10**400]),
        (optional(text), [None, "a"], [1]),
        (list_of(number, 2), [[1, 2]], [[1], "ab", [1, "a"], {"a": 1}]),
        (table({"a": text}, {"b": number}), [{"a": "x"}, {"a": "x", "c": [{}]}], [{}, {"a": "x", "b": "y"}, [], 1]),
    ],
)  # fmt: skip
def test_a_form_takes_what_it_says_and_nothing_else(form, good, bad):
    for value in good:
        form(value)
    for value in bad:
        with pytest.raises(ValueError, match=r"."):
            form(value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"kind": "map"}, "'map' is none of image, feature, box, search"),
        ({"kind": "image", "case": "a", "image": "a", "volume": "a", "method": "l1", "psnr": 1.0}, "'ssim' is missing"),
        ({"case": "a", "failed": 1}, "'failed': 1 is no text"),
        ([], "a list is no object"),
    ],
)
def test_lines_of_a_study_have_their_forms(line, words):
    with pytest.raises(ValueError, match=words):
        row_forms.LINES["images.jsonl"](line)


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**41)


def commands(folder, output):
    """List the commands that read a run folder."""
    return {
        "report": lambda: report.main([str(folder)]),
        "compare": lambda: compare.main([str(folder)]),
        "claims": lambda: claims.main([str(folder)]),
        "hardest": lambda: hardest.main([str(folder), "--output", str(output / "list.csv")]),
        "merge": lambda: merge.main([str(folder), "--output", str(output / "merged")]),
        "resume": lambda: attack.main(["--resume", str(folder)]),
        "features": lambda: features.main(["--resume", str(folder)]),
        "stability": lambda: stability.main(["--resume", str(folder)]),
    }


@pytest.mark.parametrize("make", [fifo, device, sparse, os.mkdir])
@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("run.json", ("report", "compare", "claims", "hardest", "merge", "resume", "features", "stability")),
        ("images.jsonl", ("report", "compare", "claims", "hardest")),
        ("searches.jsonl", ("report", "compare")),
        ("pictures.npz", ("report",)),
    ],
)
def test_what_is_no_file_of_a_run_is_refused_and_never_opened(capsys, folder, tmp_path, name, readers, make):
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    for reader in readers:
        assert commands(folder, tmp_path)[reader]() == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{folder / name}: " in line, reader
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("make", [fifo, device, os.mkdir])
def test_other_files_that_are_none_are_refused_too(capsys, tmp_path, make):
    make(tmp_path / "x.json")
    with pytest.raises(InputFileError, match="no regular file"):
        read_tuned(tmp_path / "x.json")
    assert tune.main(["--try", "lam=0.1", "--images", "1", "--output", str(tmp_path / "x.json")]) == 3
    make(tmp_path / "train.json")
    assert train.main(["--resume", str(tmp_path)]) == 3
    assert all("no regular file" in line for line in capsys.readouterr().err.splitlines())


def test_what_is_written_never_follows_a_link_that_was_laid(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "report.html.part").symlink_to(tmp_path / "precious")
    RunFolder(tmp_path).write("report.html", b"page")
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / "report.html").read_bytes() == b"page"


def members(path, change):
    """Write an archive again, with each member as `change` makes it."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in content.items():
            archive.writestr(name, change(value))


NEGATIVE = b"{'descr': '<f2', 'fortran_order': False, 'shape': (-4, 4), }\n"


def header(words):
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"x" * 1000),
        lambda path: members(path, lambda value: value[:100]),
        lambda path: members(path, lambda value: header(b"(" * 9000 + b"\n")),
        lambda path: members(path, lambda value: header(NEGATIVE)),
        lambda path: members(path, lambda value: header(b"__import__('os').abort()\n")),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\x93NUMPY", b"\x93NUMPX")),
        lambda path: np.savez_compressed(path, **{"a.h5:0|truth": np.zeros((8, 7), np.float16)}),
        lambda path: np.savez(path, **{"a.h5:0|truth": np.array([{}], object)}),
    ],
)  # fmt: skip
def test_damaged_pictures_are_one_line(capsys, folder, spoil):
    spoil(folder / "pictures.npz")
    assert report.main([str(folder)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder / 'pictures.npz'}: is damaged (" in line
    assert "delete it, and --resume computes again what was in it" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[1:], "lacks one of its results"),
        (lambda lines: [*lines, lines[0]], "has one of its results twice"),
        (lambda lines: [line for line in lines if '"a.h5:0"' not in line], "lacks 'a.h5:0', which is in run.json"),
        (lambda lines: [line.replace('"l1"', '"tv"', 1) for line in lines], "an attack on its own method"),
        (lambda lines: [lines[0].replace('"volume": "a.h5"', '"volume": "b.h5"'), *lines[1:]], "two volumes"),
        (lambda lines: [line.replace("0.05", "0.06") if "a.h5:0" in line else line for line in lines], "other results"),
        (lambda lines: [*lines[:-1], lines[-1][:40]], "images.jsonl: is damaged"),
        (lambda lines: [line.replace('"pgd"', '"\\u001b[2J"') for line in lines], "is no name"),
    ],
)
def test_a_record_that_lacks_results_is_not_whole(folder, change, words):
    path = folder / "images.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(InputFileError) as caught:
        read(folder)
    assert words in str(caught.value)
