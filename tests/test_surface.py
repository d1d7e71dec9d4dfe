"""import jaxcs: a surface that is imported when it is used, finished runs as rows, and the commands by one name."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bench
import jaxcs
from bench.__main__ import COMMANDS, listing, main
from bench.record.record import read
from jaxcs.names import did_you_mean
from tests.helpers.places import ROOT
from tests.helpers.run_folder import write_run


def test_importing_the_library_alone_imports_no_jax():
    code = (
        "import sys, jaxcs; before = dir(jaxcs); assert not {'jax', 'numpy'} & set(sys.modules); "
        "jaxcs.METRICS; assert 'jaxcs.recon' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_name_is_there_and_documented():
    assert dir(jaxcs) == sorted(jaxcs.__all__)
    for name in jaxcs.__all__:
        found = getattr(jaxcs, name)
        assert name == "__version__" or name.isupper() or found.__doc__
    assert jaxcs.attack is import_module("jaxcs.api.attack").attack
    with pytest.raises(AttributeError, match="has no attribute 'atack'"):
        jaxcs.atack  # noqa: B018
    assert (Path(jaxcs.__file__).parent / "py.typed").exists()
    assert did_you_mean("L1", ["l1", "tv"]) == "; did you mean 'l1'? choose from l1, tv"


def test_a_finished_run_is_read_as_rows(tmp_path):
    folder = write_run(tmp_path / "run", shape=(8, 7))
    run, theirs = jaxcs.load_run(folder), read(folder)
    assert [row.attacked for row in run.rows] == [row.attacked for row in theirs.rows]
    assert [(row.case, row.metric, row.flags) for row in run.rows] == [
        (row.case, row.metric, row.flags) for row in theirs.rows
    ]
    assert run.config == theirs.run.config
    lines = (folder / "images.jsonl").read_text().splitlines()
    (folder / "images.jsonl").write_text("\n".join([*lines, json.dumps({"case": "x:0", "failed": "NaN"})]))
    assert jaxcs.load_run(folder).failed == {"x:0": "NaN"}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("images.jsonl", "{", "line 1: JSONDecodeError"),
        ("images.jsonl", "[]", "line 1: ValueError: it holds no object"),
        ("images.jsonl", '{"case": 1}', "line 1: KeyError"),
        ("run.json", "{}", "KeyError: 'status'"),
        ("run.json", None, "is missing; name a folder that bench.attack made"),
        ("run.json", "[" * 100000, "is damaged or no file of bench.attack"),
        ("run.json", '{"status": "running", "config": {}, "threat_model": {}}', r"has not finished \(running\)"),
    ],
)
def test_what_is_no_finished_run_is_a_line(tmp_path, name, text, problem):
    folder = write_run(tmp_path / "run", shape=(8, 7))
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(ValueError, match=problem) as raised:
        jaxcs.load_run(folder)
    assert len(str(raised.value).splitlines()) == 1


def test_every_command_has_a_name_and_a_line(capsys):
    modules = {f"bench.{path.stem}" for path in Path(bench.__file__).parent.glob("[a-z]*.py")}
    assert {command.module for command in COMMANDS.values()} == modules | {"data_prep.__main__"}
    assert all(callable(import_module(command.module).main) for command in COMMANDS.values())
    assert all(len(line) <= 100 for line in listing().splitlines())
    assert main(["--version"]) == 0
    assert main([]) == 0
    assert main(["atack"]) == 2
    told = capsys.readouterr()
    assert told.out == f"jaxcs {jaxcs.__version__}\n{listing()}\n"
    assert told.err.startswith("jaxcs: error: unknown command 'atack'; did you mean 'attack'?")
    with pytest.raises(SystemExit, match="0"):
        main(["attack", "--help"])
    assert "--method NAME" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["jaxcs", "bench"])
def test_the_packages_are_commands_and_their_list_waits_for_nothing(package):
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module({package!r}, run_name='__main__')\n"
        "except SystemExit as ended: assert ended.code == 0\n"
        "assert not {'jax', 'numpy'} & set(sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert told.stdout == listing() + "\n"
