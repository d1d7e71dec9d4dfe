"""A run in parts becomes the run in one part."""

import json
import shutil

import numpy as np
import pytest

from bench import merge
from bench.figures import overview
from bench.plan.errors import OutputError, UsageError
from bench.plan.shards import Shard, positions_of
from bench.run import merging
from tests.cheap_run import IMAGES, cheapen, contents, go_on, start, write_volume


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole run, and the same run in three parts."""
    folder = tmp_path_factory.mktemp("merge")
    volume = write_volume(folder / "volume.h5")
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        _, whole = start(volume, folder / "whole")
        parts = [start(volume, folder / f"part{part}", "--shard", f"{part}/{IMAGES}") for part in (1, 2, 3)]
        _, other = start(volume, folder / "other", "--shard", f"1/{IMAGES}", "--seed", "1")
        _, half = start(volume, folder / "half", "--shard", "2/2")
    assert [code for code, _ in parts] == [0, 1, 0]
    return whole, [part for _, part in parts], other, half


@pytest.fixture
def parts(made):
    return made[1]


def run(capsys, tmp_path, *folders):
    """Run the command; returns exit code, last line of stderr, and the folder."""
    output = tmp_path / "out"
    code = merge.main([*map(str, folders), "--output", str(output)])
    return code, capsys.readouterr().err.splitlines()[-1], next(output.iterdir(), None) if output.is_dir() else None


@pytest.mark.parametrize("total", [1, 7, 40])
@pytest.mark.parametrize("of", [1, 3, 7, 8])
def test_parts_hold_every_image_once_and_are_of_one_size(total, of):
    if of > total:
        with pytest.raises(UsageError, match=f"--shard 1/{of}: there are {total} images"):
            positions_of(Shard(1, of), total)
        return
    found = [positions_of(Shard(part, of), total) for part in range(1, of + 1)]
    assert sorted(position for part in found for position in part) == list(range(total))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_merged_parts_are_the_whole_run(capsys, tmp_path, made, monkeypatch):
    whole, parts, *_ = made
    cheapen(monkeypatch)
    code, _, folder = run(capsys, tmp_path, *reversed(parts))
    assert code == 1
    assert contents(folder) == contents(whole)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    record, one = (json.loads((path / "run.json").read_text()) for path in (folder, whole))
    changed = {"seconds", "started", "notes", "folder", "parts", "argv", "git"}
    assert {name for name in record if record[name] != one.get(name)} <= changed
    # Doubts about the images are counted over all parts.
    assert sorted(record["notes"]) == sorted([*one["notes"], f"computed in {IMAGES} parts"])
    assert "--shard" not in record["argv"]
    seconds = [json.loads((part / "run.json").read_text())["seconds"] for part in parts]
    assert record["seconds"] == pytest.approx(sum(seconds), abs=0.02)
    # The merged run can be resumed like any other.
    assert go_on(folder) == 1
    assert contents(folder) == contents(whole)


def unfinished(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "unfinished")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    return folder


def incomplete(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "incomplete")
    (folder / "journal.jsonl").write_text("")
    return folder


def other_jax(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "jax")
    record = json.loads((folder / "run.json").read_text())
    record["versions"]["jax"] = "0.0.1"
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda parts, made, path: parts[:1], "parts 2/3, 3/3 missing"),
        (lambda parts, made, path: parts[1:], "part 1/3 missing"),
        (lambda parts, made, path: [*parts, parts[1]], "is part 2/3, as is"),
        (lambda parts, made, path: [parts[1], made[2]], "the configuration is not the same (seed)"),
        (lambda parts, made, path: [parts[0], made[3]], "it is part 2/2, and not one of 3"),
        (lambda parts, made, path: [made[0]], "is no part of a run"),
        (lambda parts, made, path: [path / "nowhere"], "run.json: is missing"),
        (lambda parts, made, path: [unfinished(parts[0], path), *parts[1:]], "has not finished (interrupted)"),
        (lambda parts, made, path: [incomplete(parts[0], path), *parts[1:]], "lacks images"),
        (lambda parts, made, path: [other_jax(parts[0], path), *parts[1:]], "the version of jax is not the same"),
    ],
)
def test_what_is_no_whole_run_is_one_line(capsys, tmp_path, made, parts, choose, words):
    code, line, folder = run(capsys, tmp_path, *choose(parts, made, tmp_path))
    assert (code, folder) == (3, None)
    assert line.startswith("bench.merge: error: ")
    assert words in line


def lines(change, name="images.jsonl"):
    def damage(part):
        path = part / name
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lines(lambda found: []), "images.jsonl has 0 of its 2 lines"),
        (lines(lambda found: found + found), "images.jsonl has 4 of its 2 lines"),
        (lines(lambda found: [*found[:-1], found[-1][:30]]), "images.jsonl: is damaged or no file of bench"),
        (lines(lambda found: [found[0].replace("psnr", "ssim"), *found[1:]]), "has one of its results twice"),
        (lines(lambda found: [], "searches.jsonl"), "searches.jsonl has 0 of its 1 lines"),
        (lambda part: (part / "images.jsonl").unlink(), "images.jsonl has 0 of its 2 lines"),
        (lambda part: (part / "pictures.npz").unlink(), "its pictures are missing"),
        (lambda part: (part / "perturbations.npz").unlink(), "its perturbations are missing"),
    ],
)  # fmt: skip
def test_a_part_that_lost_or_doubled_records_is_named_and_resuming_it_mends_it(
    capsys, tmp_path, made, monkeypatch, damage, words
):
    whole, parts, *_ = made
    cheapen(monkeypatch)
    spoilt = shutil.copytree(parts[0], tmp_path / "part")
    damage(spoilt)
    code, line, folder = run(capsys, tmp_path, spoilt, *parts[1:])
    assert (code, folder) == (3, None)
    assert str(spoilt) in line
    assert words in line
    assert f"python -m bench.attack --resume {spoilt} computes what is missing" in line
    assert go_on(spoilt) == 0
    assert "computed again" in capsys.readouterr().err
    assert run(capsys, tmp_path, spoilt, *parts[1:])[0] == 1
    assert contents(next((tmp_path / "out").iterdir())) == contents(whole)


def test_a_picture_that_is_none_is_that_of_the_part(capsys, tmp_path, parts):
    spoilt = shutil.copytree(parts[0], tmp_path / "part")
    np.savez(spoilt / "pictures.npz", **{"volume.h5:0|truth": np.array([{}], object)})
    code, line, folder = run(capsys, tmp_path, spoilt, *parts[1:])
    assert (code, folder) == (3, None)
    assert f"{spoilt / 'pictures.npz'}: is damaged (" in line
    assert "and no picture" in line


def test_an_image_in_two_parts_is_refused(capsys, tmp_path, parts):
    twice = shutil.copytree(parts[2], tmp_path / "part")
    for name in ("images.jsonl", "searches.jsonl", "journal.jsonl"):
        (twice / name).write_text((twice / name).read_text().replace("volume.h5:2", "volume.h5:0"))
    for name in ("pictures", "perturbations"):
        shutil.copy(parts[0] / f"{name}.npz", twice)
    code, line, folder = run(capsys, tmp_path, *parts[:2], twice)
    assert (code, folder) == (3, None)
    assert "'volume.h5:0' is in another part, too" in line


class Killed(BaseException):
    """The end of a process, which nothing survives."""


def test_a_merge_that_was_killed_leaves_no_run_and_nothing_in_the_way(capsys, tmp_path, made, monkeypatch):
    whole, parts, *_ = made
    cheapen(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(
            merging.shutil, "rmtree", lambda path, ignore_errors=False: None
        )  # a killed process does not clean up
        patch.setattr(overview, "draw", killed)
        with pytest.raises(Killed):
            run(capsys, tmp_path, *parts)
    (left,) = (tmp_path / "out").iterdir()
    assert left.name.startswith(".")
    assert run(capsys, tmp_path, *parts)[0] == 1
    (folder,) = (tmp_path / "out").iterdir()
    assert not folder.name.startswith(".")
    assert contents(folder) == contents(whole)
    assert json.loads((folder / "run.json").read_text())["folder"] == str(folder)


def killed(folder):
    raise Killed


def test_a_merge_that_fails_leaves_nothing(capsys, tmp_path, parts, monkeypatch):
    cheapen(monkeypatch)

    def full(folder):
        raise OutputError("cannot write figure.png: No space left on device")

    monkeypatch.setattr(overview, "draw", full)
    assert run(capsys, tmp_path, *parts)[::2] == (4, None)


def test_two_merges_of_one_run_never_write_one_folder(capsys, tmp_path, parts, monkeypatch):
    cheapen(monkeypatch)
    codes = []

    def meanwhile(folder):
        codes.append(merge.main([*map(str, parts), "--output", str(tmp_path / "out")]))
        return b"figure"

    monkeypatch.setattr(overview, "draw", meanwhile)
    assert run(capsys, tmp_path, *parts)[0] == 1
    assert codes == [4]
    assert len(list((tmp_path / "out").iterdir())) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_a_part_that_cannot_be_is_a_usage_error(capsys, tmp_path, text):
    code, _ = start(tmp_path / "absent.h5", tmp_path / "out", f"--shard={text}")
    assert code == 2
    assert "I/N" in capsys.readouterr().err


def test_more_parts_than_images_are_a_usage_error(capsys, tmp_path):
    code, _ = start(write_volume(tmp_path / "volume.h5"), tmp_path / "out", "--shard", "1/4")
    assert code == 2
    assert "there are 3 images; make at most 3 parts" in capsys.readouterr().err
