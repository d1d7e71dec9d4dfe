"""A run that was stopped at any moment is resumed, and ends with the same result."""

import json
import os
import resource

import jax
import numpy as np
import pytest

from bench.record import arrays
from bench.record.journal import held
from bench.record.records import RunFolder
from bench.run import executor
from tests.cheap_run import IMAGES, cheapen, contents, go_on, results, start, write_volume


class Killed(BaseException):
    """The end of a process, which nothing survives."""


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return write_volume(tmp_path_factory.mktemp("data") / "volume.h5")


@pytest.fixture
def reference(tmp_path, volume, monkeypatch):
    """The contents of an undisturbed run."""
    cheapen(monkeypatch)
    code, folder = start(volume, tmp_path / "reference")
    assert code == 1  # one slice cannot be used
    return contents(folder)


def killed(monkeypatch, after, volume, output):
    """Kill a run at its write to disk number `after` + 1, which is cut short; returns its folder."""
    synchronise, count = os.fsync, [0]

    def kill(number):
        count[0] += 1
        if count[0] > after:
            size = os.fstat(number).st_size
            os.ftruncate(number, max(size - 7 * (count[0] == after + 1), 0))
            raise Killed
        synchronise(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill)
        with pytest.raises(Killed):
            start(volume, output)
    return next(output.iterdir())


def writes(monkeypatch, volume, output):
    """Count how often a run writes to disk."""
    synchronise, count = os.fsync, [0]

    def counted(number):
        count[0] += 1
        synchronise(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted)
        start(volume, output)
    return count[0]


def test_a_run_goes_on_from_every_write_to_disk(tmp_path, volume, reference, monkeypatch):
    total = writes(monkeypatch, volume, tmp_path / "counted")
    assert total > 15
    for after in range(1, total):
        output = tmp_path / str(after)
        folder = killed(monkeypatch, after, volume, output)
        assert go_on(folder) == 1
        assert contents(folder) == reference, after
        assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "counted").glob("*/*")}
        record = json.loads((folder / "run.json").read_text())
        assert (record["status"], list(record["failed"]), len(record["sampling"])) == ("done", ["volume.h5:1"], 2)


def test_what_is_done_is_not_computed_again(capsys, tmp_path, volume, reference, monkeypatch):
    # run.json, and the writes for the first image.
    folder = killed(monkeypatch, 6, volume, tmp_path / "out")
    attacked = []

    def watched(work, batch, functions_of, group):
        attacked.extend(prepared.name for prepared in group)
        return results(work, batch, functions_of, group)

    monkeypatch.setattr(executor, "_attack_batch", watched)
    capsys.readouterr()
    assert go_on(folder, "--json") == 1
    captured = capsys.readouterr()
    assert f"1 of {IMAGES} images were done" in captured.err
    assert attacked == ["volume.h5:2"]
    record = json.loads(captured.out)
    assert record["resumed"] == 1
    assert contents(folder) == reference
    # A finished run has nothing left to compute, and failed images are not tried again.
    assert go_on(folder) == 1
    assert attacked == ["volume.h5:2"]
    assert contents(folder) == reference


@pytest.mark.parametrize(
    ("more", "words"),
    [(["--method", "l1"], "--method: "), (["--seed=0"], "--seed: "), (["--output", "x"], "--output: ")],
)
def test_flags_that_decide_the_run_are_refused(capsys, tmp_path, more, words):
    assert go_on(tmp_path, *more) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"bench.attack: error: {words}")
    assert "leave the flag out" in line


def change(folder, **values):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def other_version(folder, volume):
    versions = json.loads((folder / "run.json").read_text())["versions"]
    change(folder, versions=versions | {"jax": "0.0.1"})


def other_config(folder, volume):
    config = json.loads((folder / "run.json").read_text())["config"]
    change(folder, config=config | {"seed": 7})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_version, "the version of jax is not the same (0.0.1 and "),
        (other_config, "its configuration was changed"),
        (lambda folder, volume: change(folder, data_sha256={"volume.h5": "00"}), "the content of volume.h5 is not the"),
        (lambda folder, volume: change(folder, methods={}), "the method zero_filled is not the same"),
        (lambda folder, volume: volume.unlink(), "volume.h5"),
        (lambda folder, volume: (folder / "run.json").unlink(), "run.json: is missing"),
        (lambda folder, volume: (folder / "run.json").write_text("{"), "run.json: is damaged"),
        (lambda folder, volume: (folder / "journal.jsonl").write_text("[]\n"), "its records are damaged"),
    ],
)
def test_what_is_not_the_same_is_one_line(capsys, tmp_path, monkeypatch, spoil, words):
    cheapen(monkeypatch)
    own = write_volume(tmp_path / "volume.h5")
    _, folder = start(own, tmp_path / "out")
    spoil(folder, own)
    capsys.readouterr()
    assert go_on(folder) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("bench.attack: error: ")
    assert words in line


@pytest.mark.parametrize("name", ["images.jsonl", "searches.jsonl", "pictures.npz"])
def test_a_record_that_was_lost_is_made_again(tmp_path, volume, reference, name):
    _, folder = start(volume, tmp_path / "out")
    (folder / name).unlink()
    assert go_on(folder) == 1
    assert contents(folder) == reference


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0][:20] + "\n", *lines[1:]],
        lambda lines: [*lines[:-1], lines[-1].replace("{", '{"eps": null, ')],
        lambda lines: [lines[0].replace('"psnr"', '"x"'), *lines[1:]],
        lambda lines: ["[]\n", *lines[1:]],
        lambda lines: [*lines, *lines],
    ],
)
def test_images_whose_lines_are_damaged_are_computed_again(capsys, tmp_path, volume, reference, change):
    _, folder = start(volume, tmp_path / "out")
    path = folder / "images.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    capsys.readouterr()
    assert go_on(folder) == 1
    assert "images were not whole (" in capsys.readouterr().err
    assert contents(folder) == reference
    assert "computed again" in json.loads((folder / "run.json").read_text())["notes"][-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('"position": 2', '"position": 7'), "'volume.h5:2' is not image 7 of the data"),
        (lambda text: text.replace("volume.h5:2", "volume.h5:0"), "an image is there twice"),
        (lambda text: text.replace('"lines": [2', '"lines": [-2'), "line 1: 'done': 'lines': -2 is no whole number"),
        (lambda text: text.replace('"seconds": ', '"seconds": 1e999'), "its records are damaged (line 1"),
    ],
)
def test_a_journal_that_was_edited_is_one_line(capsys, tmp_path, volume, monkeypatch, change, words):
    cheapen(monkeypatch)
    _, folder = start(volume, tmp_path / "out")
    for name in ("journal.jsonl", "images.jsonl", "searches.jsonl"):
        if name == "journal.jsonl" or "twice" in words:
            (folder / name).write_text(change((folder / name).read_text()))
    assert go_on(folder) == 3
    assert words in capsys.readouterr().err.splitlines()[-2 if "image 7" in words else -1]


def test_a_damaged_archive_is_one_line_that_says_what_helps(capsys, tmp_path, volume, reference):
    _, folder = start(volume, tmp_path / "out")
    for name in ("pictures.npz", "perturbations.npz"):
        (folder / name).write_bytes(b"PK" * 100)
        capsys.readouterr()
        assert go_on(folder) == 3
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"{folder / name}: is damaged (" in line
        assert "delete it, and --resume computes again what was in it" in line
        (folder / name).unlink()
        assert go_on(folder) == 1
        assert contents(folder) == reference


@pytest.mark.parametrize("name", ["journal.jsonl", "images.jsonl", "pictures"])
def test_a_link_out_of_the_folder_is_refused_and_what_it_leads_to_stays(capsys, tmp_path, volume, monkeypatch, name):
    cheapen(monkeypatch)
    _, folder = start(volume, tmp_path / "out")
    (tmp_path / "precious").mkdir()
    precious = tmp_path / "precious" / "00000007.npz"
    precious.write_text("no line")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(precious.parent if name == "pictures" else precious)
    assert go_on(folder) == 3
    assert f"{folder / name}: is a link" in capsys.readouterr().err.splitlines()[-1]
    assert precious.read_text() == "no line"


def test_a_run_of_many_images_opens_few_files_at_once(tmp_path):
    folder, order = RunFolder(tmp_path), {}
    for position in range(40):
        order[f"a.h5:{position}"] = position
        arrays.write(folder, arrays.PICTURES, position, {f"a.h5:{position}|truth": np.full((2, 2), position, "f2")})
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 25, before[1]))
        arrays.pack(folder, arrays.PICTURES, arrays.files_of(folder, arrays.PICTURES).values(), order)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with np.load(tmp_path / "pictures.npz") as file:
        assert list(file.files) == [f"{case}|truth" for case in order]


def test_two_processes_never_write_one_run(capsys, tmp_path, volume, reference):
    _, folder = start(volume, tmp_path / "out")
    with held(RunFolder(folder), 0.0):
        assert go_on(folder) == 4
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == f"bench.attack: error: {folder}: another process is at this run; let it end, or stop it"
    assert contents(folder) == reference
    assert go_on(folder) == 1


def exhausted(batches):
    """Make an attack that has memory for at most `batches` slices at once."""

    def attack(work, batch, functions_of, group):
        if batch > batches:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return results(work, batch, functions_of, group)

    return attack


def test_where_memory_runs_out_the_batch_is_halved_once(capsys, tmp_path, volume, reference, monkeypatch):
    monkeypatch.setattr(executor, "_attack_batch", exhausted(1))
    code, folder = start(volume, tmp_path / "out", "--batch", "2")
    assert code == 1
    record = json.loads((folder / "run.json").read_text())
    assert "out of memory with a batch of 2; went on with one of 1" in record["notes"]
    assert contents(folder) == reference


@pytest.mark.parametrize(("batch", "fits"), [("1", 0), ("4", 1)])
def test_where_half_is_too_much_the_run_ends_and_says_what_it_needs(capsys, tmp_path, volume, reference, batch, fits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "_attack_batch", exhausted(fits))
        code, folder = start(volume, tmp_path / "out", "--batch", batch)
    error, how = capsys.readouterr().err.splitlines()[-2:]
    assert code == 5
    assert error.startswith("bench.attack: error: out of memory")
    assert "the estimate was " in error
    assert how == f"python -m bench.attack --resume {folder}"
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert go_on(folder, "--batch", "1") == 1
    assert contents(folder) == reference
