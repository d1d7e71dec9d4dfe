"""A run is repeated from its record by --config; flags beside it change what they name."""

import json

import pytest

from bench import attack
from tests.helpers.cheap_run import cheapen, contents, go_on, start, write_volume


@pytest.fixture
def volume(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    return write_volume(tmp_path / "volume.h5")


def config_of(folder):
    return json.loads((folder / "run.json").read_text())["config"]


def repeat(folder, output, *flags):
    code = attack.main(["--config", str(folder / "run.json"), "--output", str(output), *flags])
    return code, next(output.iterdir(), None) if output.is_dir() else None


def test_a_repeated_run_is_the_run(tmp_path, volume):
    more = ["--shift", "noise=2", "--seed", "3", "--attack", "pgd", "--steps", "4", "--region", "1", "2", "12", "9"]
    code, folder = start(volume, tmp_path / "first", *more)
    again_code, again = repeat(folder, tmp_path / "again", "--save-perturbations")
    assert code == again_code == 1  # a slice cannot be used
    assert contents(again) == contents(folder)
    assert config_of(again) == config_of(folder)
    # The record of the repetition does without the file.
    argv = json.loads((again / "run.json").read_text())["argv"]
    assert "--config" not in argv
    config = attack.configuration(attack.parser().parse_args(argv)).to_dict()
    assert json.loads(json.dumps(config)) == config_of(folder)


def test_flags_beside_it_change_what_they_name_and_nothing_else(tmp_path, volume):
    _, folder = start(volume, tmp_path / "first", "--shift", "noise=2", "contrast=1.5", "--threat", "noise")
    flags = ["--eps", "0.02", "0.05", "--shift", "noise=4", "--limit", "1"]
    _, again = repeat(folder, tmp_path / "again", *flags)
    was, now = config_of(folder), config_of(again)
    assert {name: now[name] for name in was if was[name] != now[name]} == {
        "eps": [0.02, 0.05],
        "shift": {"contrast": 1.5, "noise": 4.0},
        "limit": 1,
    }


def test_what_contradicts_the_record_or_is_none_is_one_line(tmp_path, volume, capsys):
    _, folder = start(volume, tmp_path / "first", "--norm", "per_coil")
    record = folder / "run.json"
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "other.json").write_text(record.read_text().replace('"per_coil"', '"per_coill"'))
    capsys.readouterr()
    for argv, code, told in (
        (["--config", str(record), "--threat", "bias"], 2, "--norm: bias has a size of its own; leave it out"),
        (["--config", str(record), "--threat", "bias"], 2, f"; --config {record} stands for --method zero_filled "),
        (["--config", str(record), "--preset", "paper"], 2, "--preset paper: zero_filled has no such preset"),
        (["--config", str(record), "--resume", str(folder)], 2, "--config: the run in "),
        (["--config", str(tmp_path / "none.json")], 3, "none.json: is missing; name what bench.attack made"),
        (["--config", str(tmp_path / "empty.json")], 3, "empty.json: is damaged or no file of bench.attack"),
        (["--config", str(tmp_path / "other.json")], 3, "norm 'per_coill' is unknown; did you mean 'per_coil'?"),
        (["--config", str(tmp_path)], 3, "is damaged or no file of bench.attack (it is no regular file)"),
    ):
        assert attack.main([*argv, "--output", str(tmp_path / "never")][: -2 if "--resume" in argv else None]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    "field", ["like", "norm", "loss", "target", "aim", "maps", "method_seed", "threat", "phantom", "mask"]
)
def test_an_unknown_name_in_a_record_is_one_line(tmp_path, volume, capsys, field):
    """Whether a run goes on or is repeated; a newer version may know the name."""
    _, folder = start(volume, tmp_path / "first")
    path = folder / "run.json"
    record = json.loads(path.read_text())
    record["config"][field] = "nowhere"
    path.write_text(json.dumps(record | {"status": "running"}))
    capsys.readouterr()
    for code in (go_on(folder), repeat(folder, tmp_path / "again")[0]):
        assert code == 3
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(
        f"run.json: is damaged or no file of bench.attack ({field} 'nowhere' is unknown" in one for one in errors
    )
