"""bench.leaderboard: runs become entries unless flags speak against them, and only equal protocols share a ranking."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from bench import leaderboard
from bench.page.leaderboard import leaderboard as page_of
from bench.proof.board import entries
from bench.record.entries import read_entry
from bench.run import executor
from tests.helpers import cheap_run
from tests.helpers.cheap_run import cheapen, start, write_volume
from tests.helpers.run_folder import HOSTILE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a volume, a run on it in runs/, and a board with its entry."""
    folder = tmp_path_factory.mktemp("leaderboard")
    write_volume(folder / "volume.h5")
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        _, run = start(folder / "volume.h5", folder / "runs")
    assert leaderboard.main(["add", str(run), "--board", str(folder / "board")]) == 0
    return folder


@pytest.fixture
def here(made, tmp_path):
    return shutil.copytree(made, tmp_path / "here")


@pytest.fixture
def run(here):
    return next((here / "runs").iterdir())


@pytest.fixture
def board(here):
    return here / "board"


@pytest.fixture
def volume(here, monkeypatch):
    cheapen(monkeypatch)
    return here / "volume.h5"


def error_of(capsys, *arguments):
    """Run a command that fails; returns its exit code and its line."""
    capsys.readouterr()
    code = leaderboard.main([*map(str, arguments)])
    (line,) = capsys.readouterr().err.splitlines()
    return code, line


def headings(page):
    return re.findall(r"<h2>(.*?)</h2>", page.decode())


def ranked(page):
    return re.findall(r'<th scope="row">\s*(\S+ [^<]*?)</th>', page.decode())


def test_an_entry_holds_the_means_of_its_run_with_intervals_and_numbers(board, run):
    (entry,) = entries(board)
    record = json.loads((run / "run.json").read_text())
    assert [one.line() for one in entry.scores] == record["summary"]
    assert {(one.n, one.volumes) for one in entry.scores} == {(2, 2)}
    assert (entry.failed, entry.flags, entry.run) == (1, (), f"../runs/{run.name}")
    assert entry.data["sha256"] == record["data_sha256"]
    assert entry.method == {"name": "zero_filled", "config": {}, "weights": None}


def flagged(*arguments):
    """Numbers that carry a flag."""
    made = cheap_run.results(*arguments)
    return [one._replace(rows=[replace(row, flags=("below noise",)) for row in one.rows]) for one in made]


def test_a_run_with_flags_is_refused_unless_its_entry_lists_them(volume, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(executor, "_attack_batch", flagged)
    _, run = start(volume, tmp_path / "runs")
    add = ["add", run, "--board", tmp_path / "board"]
    code, line = error_of(capsys, *add)
    assert (code, line.partition("flags that ")[2]) == (
        2,
        'speak against it; --despite "below noise" lists them in its entry',
    )
    assert not (tmp_path / "board").exists()
    assert error_of(capsys, *add, "--despite", "not converged")[0] == 2
    code, line = error_of(capsys, *add, "--despite", "bellow noise")
    assert (code, "did you mean 'below noise'?" in line) == (2, True)
    assert leaderboard.main([*map(str, add), "--despite", "below noise"]) == 0
    (entry,) = entries(tmp_path / "board")
    assert entry.flags == ("below noise",)
    assert b"below noise" in page_of([entry])


def test_the_entry_of_the_stronger_attack_stays(board, run, capsys):
    (path,) = board.glob("*.json")
    for better, words in ((-50.0, ": stays, because its attack did more harm"), (100.0, "\n")):
        entry = json.loads(path.read_text())
        for one in entry["scores"]:
            one["attacked"] += better
        path.write_text(json.dumps(entry))
        capsys.readouterr()
        assert leaderboard.main(["add", str(run), "--board", str(board)]) == 0
        assert capsys.readouterr().out.removeprefix(f"{path}").startswith(words)
    # The run's own entry has replaced the weaker one.
    assert [one.line() for one in read_entry(path).scores] == json.loads((run / "run.json").read_text())["summary"]


def worse(entry, label, by):
    scores = tuple(replace(one, attacked=one.attacked - by) for one in entry.scores)
    return replace(entry, label=label, scores=scores, method={**entry.method, "name": label})


def test_methods_are_ranked_by_what_an_attack_left(board):
    (entry,) = entries(board)
    others = [worse(entry, "bad", 3.0), worse(entry, "good", -3.0)]
    page = page_of([others[0], entry, others[1]])
    assert ranked(page) == ["1. good", "2. zero_filled", "3. bad"]
    assert page.count(b"<table") == 1
    low = min(one.low for one in entry.scores if one.metric == "psnr")
    assert f"({low:.2f}".encode() in page


@pytest.mark.parametrize(
    "flags", [["--eps", "0.05", "0.1"], ["--norm", "per_coil"], ["--acceleration", "2"], ["--loss", "ssim"]]
)
def test_runs_of_different_protocols_never_share_a_ranking(volume, board, tmp_path, flags, monkeypatch):
    if flags[0] == "--eps":
        monkeypatch.setattr(executor, "_attack_batch", at_both)
    _, run = start(volume, tmp_path / "others", *flags)
    assert leaderboard.main(["add", str(run), "--board", str(board)]) == 0
    found = entries(board)
    assert len(found) == 2
    page = page_of(found)
    assert page.count(b"<table") == len(headings(page)) == 2
    assert ranked(page) == ["1. zero_filled", "1. zero_filled"]


def at_both(*arguments):
    """Numbers at two epsilons."""
    made = cheap_run.results(*arguments)
    return [one._replace(rows=[*one.rows, *(replace(row, eps=0.1) for row in one.rows)]) for one in made]


def test_other_images_and_other_versions_of_the_protocol_are_other_rankings(board):
    (entry,) = entries(board)
    data, protocol = {**entry.data, "images": "others"}, {**entry.protocol, "version": 2}
    page = page_of([entry, replace(entry, data=data), replace(entry, protocol=protocol)])
    assert page.count(b"<table") == 3


def test_the_page_loads_nothing_and_escapes_every_text(board, capsys):
    assert leaderboard.main(["page", "--board", str(board)]) == 0
    assert capsys.readouterr().out == f"{board / 'index.html'}\n"
    (entry,) = entries(board)
    page = page_of([replace(entry, label=HOSTILE, described=HOSTILE, started=HOSTILE, flags=(HOSTILE,))]).decode()
    assert "<b>" not in page
    assert "<script" not in page
    assert "script-src &#39;none&#39;" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entry: entry.clear(), "is missing"),
        (lambda entry: entry["scores"].clear(), "lacks a score"),
        (lambda entry: entry["scores"][0].update(attacked=None), "'attacked': None is no number"),
        (lambda entry: entry["protocol"].update(norm="kspace"), "was changed or renamed"),
        (lambda entry: entry["method"].update(weights="00"), "was changed or renamed"),
        (lambda entry: entry.update(version=2), "is of version 2"),
    ],
)
def test_a_damaged_entry_is_one_line(board, capsys, change, words):
    (path,) = board.glob("*.json")
    entry = json.loads(path.read_text())
    change(entry)
    path.write_text(json.dumps(entry))
    code, line = error_of(capsys, "page", "--board", board)
    assert code == 3
    assert str(path) in line
    assert words in line
    assert not (board / "index.html").exists()


def test_what_cannot_be_done_is_one_line(board, run, tmp_path, capsys):
    assert error_of(capsys, "add", "--board", board)[0] == 2
    assert error_of(capsys, "page", run, "--board", board)[0] == 2
    assert error_of(capsys, "rank", "--board", board)[0] == 2
    code, line = error_of(capsys, "page", "--board", tmp_path / "empty")
    assert (code, "holds no entry" in line) == (3, True)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"status": "running"}))
    code, line = error_of(capsys, "add", run, "--board", board)
    assert (code, "has not finished" in line) == (3, True)


def test_made_up_numbers_are_found_when_an_entry_is_scored(board, capsys):
    (path,) = board.glob("*.json")
    code, line = error_of(capsys, "score", path)
    # Its perturbations are no perturbations.
    assert code == 3
    assert "perturbations.npz: is damaged" in line
