"""A run in parts becomes the run in one part, in one folder or by a merge."""

import json
import shutil

import pytest

from bench import attack, merge
from bench.figures import overview
from bench.plan.errors import OutputError, UsageError
from bench.plan.shards import Shard, positions_of
from bench.run import executor
from tests.helpers.cheap_run import FLAGS, IMAGES, cheapen, contents, go_on, start, write_volume


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A whole run, the same run in three parts in folders of their own, and one of another configuration."""
    folder = tmp_path_factory.mktemp("merge")
    volume = write_volume(folder / "volume.h5")
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        _, whole = start(volume, folder / "whole")
        parts = [start(volume, folder / f"part{part}", "--shard", f"{part}/{IMAGES}") for part in (1, 2, 3)]
        _, other = start(volume, folder / "other", "--shard", f"1/{IMAGES}", "--seed", "1")
    assert [code for code, _ in parts] == [0, 1, 0]
    return whole, [part for _, part in parts], other


@pytest.fixture
def parts(made):
    return made[1]


def run(capsys, tmp_path, *folders):
    """Run the command; returns exit code, last line of stderr, and the folder."""
    output = tmp_path / "out"
    code = merge.main([*map(str, folders), "--output", str(output)])
    return code, capsys.readouterr().err.splitlines()[-1], next(output.iterdir(), None) if output.is_dir() else None


def test_parts_in_one_output_are_the_whole_run_without_a_merge(capsys, tmp_path, made, monkeypatch):
    whole, *_ = made
    cheapen(monkeypatch)
    volume = whole.parents[1] / "volume.h5"
    for part, code in ((3, 0), (1, 0), (1, 0), (2, 1)):
        assert start(volume, tmp_path / "out", "--shard", f"{part}/{IMAGES}")[0] == code
        told = capsys.readouterr()
        (folder,) = (tmp_path / "out").iterdir()
        assert (folder / "images.jsonl").exists() == (part == 2)
        assert (f"part {part}/{IMAGES} is done in {folder}; the last part" in told.err) == (part != 2)
        assert bool(told.out) == (part == 2)
    assert contents(folder) == contents(whole)
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "done"
    assert "--shard" not in record["argv"]
    assert start(volume, tmp_path / "out", "--shard", f"2/{IMAGES}", "--json")[0] == 1
    assert json.loads(capsys.readouterr().out)["summary"] == record["summary"]


def test_a_part_that_differs_does_not_join(capsys, tmp_path, made, monkeypatch):
    whole, *_ = made
    cheapen(monkeypatch)
    given = [*FLAGS, "--data", str(whole.parents[1] / "volume.h5"), "--output", str(tmp_path / "out"), "--shard"]
    assert attack.main([*given, f"1/{IMAGES}"]) == 0
    assert attack.main([*given, f"2/{IMAGES}", "--save-perturbations"]) == 3
    assert "cannot go on: --save-perturbations is not the same" in capsys.readouterr().err.splitlines()[-1]


def test_a_part_that_stops_says_how_the_part_goes_on(capsys, tmp_path, made, monkeypatch):
    whole, *_ = made
    cheapen(monkeypatch)
    monkeypatch.setattr(executor, "_attack_batch", lambda *_: exec("raise KeyboardInterrupt"))
    _, folder = start(whole.parents[1] / "volume.h5", tmp_path / "out", "--shard", f"3/{IMAGES}")
    how = f"python -m bench.attack --resume {folder} --shard 3/{IMAGES}"
    assert capsys.readouterr().err.splitlines()[-1] == how
    cheapen(monkeypatch)
    assert go_on(folder, "--shard", f"3/{IMAGES}") == 0
    assert sorted(path.name for path in (folder / "images").glob("*.npz")) == ["00000002.npz"]
    # Without a part, all that is left is done.
    assert go_on(folder) == 1
    assert contents(folder) == contents(whole)


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
    code, _, folder = run(capsys, tmp_path, *reversed(parts), parts[1])
    assert code == 1
    assert contents(folder) == contents(whole)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}
    record, one = (json.loads((path / "run.json").read_text()) for path in (folder, whole))
    changed = {"seconds", "started", "notes", "folder", "parts", "argv", "git"}
    assert {name for name in record if record[name] != one.get(name)} <= changed
    # Doubts about the images are counted over all parts.
    assert sorted(record["notes"]) == sorted([*one["notes"], "merged from 4 folders"])
    assert "--shard" not in record["argv"]
    # The merged run can be resumed like any other.
    assert go_on(folder) == 1
    assert contents(folder) == contents(whole)


def other_jax(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "jax")
    record = json.loads((folder / "run.json").read_text())
    record["versions"]["jax"] = "0.0.1"
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def older(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "older")
    (folder / "journal.jsonl").write_text("")
    return folder


def damaged(part, tmp_path):
    folder = shutil.copytree(part, tmp_path / "damaged")
    (folder / "images" / "00000000.npz").write_bytes(b"PK" * 100)
    return folder


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda parts, made, path: parts[:1], "2 of 3 images are in none of these folders, the first of them image 1;"),
        (lambda parts, made, path: parts[1:], "1 of 3 images are in none of these folders, the first of them image 0;"),
        (lambda parts, made, path: [parts[1], made[2]], "the configuration is not the same (seed)"),
        (lambda parts, made, path: [path / "nowhere"], "run.json: is missing"),
        (lambda parts, made, path: [other_jax(parts[0], path), *parts[1:]], "the version of jax is not the same"),
        (lambda parts, made, path: [older(parts[0], path), *parts[1:]], "an older version began it"),
        (lambda parts, made, path: [damaged(parts[0], path), *parts[1:]], "00000000.npz: is damaged"),
    ],
)
def test_what_is_no_whole_run_is_one_line(capsys, tmp_path, made, parts, choose, words):
    code, line, folder = run(capsys, tmp_path, *choose(parts, made, tmp_path))
    assert (code, folder) == (3, None)
    assert line.startswith("bench.merge: error: ")
    assert words in line


def test_a_merge_that_fails_leaves_nothing(capsys, tmp_path, parts, monkeypatch):
    cheapen(monkeypatch)

    def full(folder):
        raise OutputError("cannot write figure.png: No space left on device")

    monkeypatch.setattr(overview, "draw", full)
    assert run(capsys, tmp_path, *parts)[::2] == (4, None)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_a_part_that_cannot_be_is_a_usage_error(capsys, tmp_path, text):
    code, _ = start(tmp_path / "absent.h5", tmp_path / "out", f"--shard={text}")
    assert code == 2
    assert "I/N" in capsys.readouterr().err


def test_more_parts_than_images_are_a_usage_error(capsys, tmp_path):
    code, _ = start(write_volume(tmp_path / "volume.h5"), tmp_path / "out", "--shard", "1/4")
    assert code == 2
    assert "there are 3 images; make at most 3 parts" in capsys.readouterr().err
