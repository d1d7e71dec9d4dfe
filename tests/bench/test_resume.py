"""A run that was stopped at any moment is resumed, and ends with the same result."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest

from bench.record import store
from bench.record.record import read
from bench.record.record_forms import LINES
from bench.record.records import RunFolder
from bench.record.store import Image, Store
from bench.run import executor
from data_prep import locks
from tests.helpers.cheap_run import IMAGES, cheapen, contents, go_on, results, start, write_volume
from tests.helpers.places import ROOT


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
    assert total > 10
    for after in range(1, total):
        output = tmp_path / str(after)
        folder = killed(monkeypatch, after, volume, output)
        assert go_on(folder) == 1
        assert contents(folder) == reference, after
        assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "counted").glob("*/*")}
        record = json.loads((folder / "run.json").read_text())
        assert (record["status"], list(record["failed"]), len(record["sampling"])) == ("done", ["volume.h5:1"], 2)


def test_what_is_done_is_not_computed_again(capsys, tmp_path, volume, reference, monkeypatch):
    # run.json, and the first image.
    folder = killed(monkeypatch, 2, volume, tmp_path / "out")
    attacked = []

    def watched(work, functions_of, batch, begins):
        attacked.extend(prepared.name for prepared in batch.members)
        return results(work, functions_of, batch)

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
        (lambda folder, volume: (folder / "journal.jsonl").write_text("[]\n"), "an older version began it"),
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


@pytest.mark.parametrize("name", ["images.jsonl", "searches.jsonl", "pictures.npz", "perturbations.npz"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PK" * 100)])
def test_what_is_made_of_the_images_is_made_again(tmp_path, volume, reference, monkeypatch, name, damage):
    _, folder = start(volume, tmp_path / "out")
    damage(folder / name)
    monkeypatch.setattr(executor, "_attack_batch", lambda *_: pytest.fail("it was computed again"))
    assert go_on(folder) == 1
    assert contents(folder) == reference


def edit(path, old, new):
    """Change the text of an image's file, whose sums are those of the changed text."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, found in content.items():
            archive.writestr(name, found if "/" in name else found.decode().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b""), "File is not a zip file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "File is not a zip file"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"psnr", b"pnsr")), "Bad CRC-32"),
        (lambda path: edit(path, '"position": 2', '"position": 7'), "it is of another image, 'volume.h5:2' at 7"),
        (lambda path: edit(path, "volume.h5:2", "volume.h5:0"), "it is of another image, 'volume.h5:0' at 2"),
        (lambda path: edit(path, '"pixels": 4', '"pixels": -4'), "-4 is no whole number"),
        (lambda path: edit(path, '"eps": 0.05', '"eps": 1e999'), "inf is no number"),
        (lambda path: edit(path, '"eps": 0.05', '"eps": ' + "[" * 5000), "RecursionError"),
        (os.mkdir, "it is no regular file"),
    ],
)
def test_a_damaged_image_is_one_line_that_says_what_helps(capsys, tmp_path, volume, reference, damage, words):
    _, folder = start(volume, tmp_path / "out")
    path = folder / "images" / "00000002.npz"
    if damage is os.mkdir:
        path.unlink()
    damage(path)
    capsys.readouterr()
    assert go_on(folder) == 3
    line = capsys.readouterr().err.splitlines()[-2]
    assert f"{path}: is damaged (" in line
    assert words in line
    assert "delete it, and --resume computes again what was in it" in line
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    assert go_on(folder) == 1
    assert contents(folder) == reference


@pytest.mark.parametrize("name", ["images.jsonl", "images", "images/lock"])
def test_a_link_out_of_the_folder_changes_nothing_there(capsys, tmp_path, volume, reference, name):
    _, folder = start(volume, tmp_path / "out")
    (tmp_path / "precious").mkdir()
    precious = tmp_path / "precious" / "00000007.npz"
    precious.write_text("no line")
    if name == "images":
        (folder / name).rename(folder / "before")
    else:
        (folder / name).unlink()
    (folder / name).symlink_to(precious.parent if name == "images" else precious)
    code = go_on(folder)
    if name == "images.jsonl":  # it is replaced
        assert code == 1
        assert contents(folder) == reference
    else:
        assert code == (3 if name == "images" else 4)
        assert f"{folder / name}" in capsys.readouterr().err.splitlines()[-1]
    assert precious.read_text() == "no line"
    assert len([*precious.parent.iterdir()]) == 1


def test_a_run_of_an_older_version_is_read_but_does_not_go_on(capsys, tmp_path, volume, reference):
    _, folder = start(volume, tmp_path / "out")
    shutil.rmtree(folder / "images")
    (folder / "journal.jsonl").write_text("")
    assert len(read(folder).rows) == 4
    capsys.readouterr()
    assert go_on(folder) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith(f"{folder}: an older version began it, and this one can only read it; begin anew")
    assert contents(folder) == reference


def test_only_the_first_pictures_are_kept_whatever_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PICTURE_PIXELS", 25)

    def made(name, order, processes):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        stores = [Store(folder, 0.0) for _ in range(processes)]
        for index, position in enumerate(order):
            side = 1 + position % 4
            pictures = {f"a:{position}|truth": np.zeros((side, side), np.float16)}
            stores[index % processes].write(Image(position, f"a:{position}"), [], pictures=pictures)
        content = stores[0].read(LINES)
        stores[0].collect(content)
        with np.load(folder.path / "pictures.npz") as file:
            kept = list(file.files)
        return kept, (folder.path / "pictures.npz").read_bytes(), sum(len(names) for _, names in content.arrays)

    kept, content, saved = made("one", range(40), 1)
    # 1 + 4 + 9 pixels, and then 16.
    assert kept == ["a:0|truth", "a:1|truth", "a:2|truth"]
    assert saved == 3
    order = np.random.default_rng(0).permutation(40).tolist()
    assert made("other", order, 3)[:2] == (kept, content)
    assert made("reversed", range(39, -1, -1), 2)[:2] == (kept, content)


# A process that goes on with a run of made-up numbers; {0} runs before.
GO_ON = """
import os, sys, time, pytest
from bench.run import executor
from tests.helpers.cheap_run import cheapen, go_on, results
with pytest.MonkeyPatch.context() as patch:
    cheapen(patch)
    {0}
    sys.exit(go_on(sys.argv[1]))
"""
# It says when it is at an image, and never ends.
STUCK = "executor._attack_batch = lambda *given: (print('at work', flush=True), time.sleep(600))"


def beside(folder, line):
    command = [sys.executable, "-c", GO_ON.format(line), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"}, stdout=subprocess.PIPE)


def emptied(folder, images):
    """Change a run as if it had been stopped before its first image was on disk."""
    for path in (folder / "images").glob("*.npz"):
        path.unlink()
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))


def test_processes_share_a_run_and_do_no_image_twice(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    _, folder = start(write_volume(tmp_path / "volume.h5", 10), tmp_path / "out")
    reference = contents(folder)
    emptied(folder, 10)
    said = r"os.write(1, given[2].members[0].name.encode() + b'\n')"
    counted = f"executor._attack_batch = lambda *given: ({said}, time.sleep(0.3), results(*given))[2]"
    processes = [beside(folder, counted) for _ in range(2)]
    names = [process.communicate(timeout=400)[0].decode().split("\n") for process in processes]
    assert [process.returncode for process in processes] == [1, 1]
    done = [{name for name in some if re.fullmatch(r"volume.h5:\d+", name)} for some in names]
    assert not done[0] & done[1]
    assert len(done[0] | done[1]) == 9
    assert contents(folder) == reference
    assert json.loads((folder / "run.json").read_text())["status"] == "done"


def test_the_images_of_a_process_that_is_killed_are_done_by_another(tmp_path, volume, reference):
    _, folder = start(volume, tmp_path / "out")
    emptied(folder, IMAGES)
    stuck = beside(folder, STUCK)
    assert stuck.stdout.readline() == b"at work\n"
    other = beside(folder, "")
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for the image that is claimed
        other.wait(5)
    stuck.kill()
    assert other.wait(400) == 1
    stuck.communicate()
    other.communicate()
    assert contents(folder) == reference


def test_without_locks_processes_compute_the_same(tmp_path, volume, reference, monkeypatch):
    def none(*_):
        raise OSError("no locks")

    monkeypatch.setattr(locks, "lock_byte", none)
    _, folder = start(volume, tmp_path / "out")
    assert contents(folder) == reference


def test_a_run_that_another_process_has_finished_is_not_finished_again(tmp_path, volume, monkeypatch):
    cheapen(monkeypatch)
    _, folder = start(volume, tmp_path / "out")

    def meanwhile(*given):
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | {"status": "done", "findings": ["by another"]}))
        return set(range(IMAGES))

    monkeypatch.setattr(Store, "done", meanwhile)
    assert go_on(folder) == 1
    assert json.loads((folder / "run.json").read_text())["findings"] == ["by another"]


def exhausted(batches, words="RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"):
    """Make an attack that has memory for at most `batches` slices at once."""

    def attack(work, functions_of, batch, begins):
        if batch.size > batches:
            raise jax.errors.JaxRuntimeError(words)
        return results(work, functions_of, batch)

    return attack


@pytest.mark.parametrize(
    "words",
    [
        "RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes",
        # A plan of cuFFT finds no memory when it runs.
        "INTERNAL: Failed to create cuFFT batched plan with scratch allocator",
    ],
)
def test_where_memory_runs_out_the_batch_is_halved_once(capsys, tmp_path, volume, reference, words, monkeypatch):
    monkeypatch.setattr(executor, "_attack_batch", exhausted(1, words))
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
