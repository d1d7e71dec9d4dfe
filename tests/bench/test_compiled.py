"""Compiled functions kept between runs: a second run compiles nothing, and faults cost only speed."""

import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from bench.shell import compiled
from tests.helpers.cheap_run import write_volume
from tests.helpers.faults import ROOT, ZERO_FILLED

PROC = Path("/proc/self")  # nobody can write to it
FLAGS = (
    "--steps", "1", "--eps", "0.05", "--center-fraction", "0.25", "--acceleration", "2.5", "--limit", "1",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("compiled")
    write_volume(found / "volume.h5")
    return found


def attack(folder, name, *more, **environment):
    """Run an attack in a separate process, whose caches are set by `environment` alone; returns stderr and summary."""
    kept = {key: value for key, value in os.environ.items() if "CACHE" not in key}
    command = [sys.executable, *more, "-m", "bench.attack", *ZERO_FILLED, *FLAGS]
    done = subprocess.run(
        list(map(str, [*command, "--data", folder / "volume.h5", "--output", folder / name])),
        cwd=ROOT,
        env=kept | {"JAX_EXPLAIN_CACHE_MISSES": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr, (next((folder / name).iterdir()) / "summary.csv").read_bytes()


def entries(cache):
    return {path.name: path.stat().st_mtime_ns for path in (cache / "jaxcs" / "compiled").glob("*/*-cache")}


def misses(stderr):
    return stderr.count("PERSISTENT COMPILATION CACHE MISS")


def test_the_second_run_compiles_nothing_and_faults_change_nothing(folder):
    cache = folder / "cache"
    first, reference = attack(folder, "first", XDG_CACHE_HOME=str(cache))
    kept = entries(cache)
    assert misses(first) == len(kept) > 10
    broken = max((cache / "jaxcs" / "compiled").glob("*/*-cache"), key=lambda path: path.stat().st_size)
    second, summary = attack(folder, "second", XDG_CACHE_HOME=str(cache))
    assert misses(second) == 0
    assert entries(cache) == kept
    assert summary == reference

    # A run that is killed while it writes leaves such a file.
    broken.write_bytes(broken.read_bytes()[:-100])
    # Warnings are errors: none of JAX's warnings about its cache may end a run.
    third, summary = attack(folder, "third", "-Werror::UserWarning", XDG_CACHE_HOME=str(cache))
    assert misses(third) == 1
    assert summary == reference
    assert set(entries(cache)) == set(kept)


# A process that keeps what it compiles, and prints 2; its argument is the largest size of a file [bytes].
KEEPS = """
import resource, sys
from bench.shell.compiled import keep_compiled
keep_compiled()
import jax
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
print(jax.jit(lambda x: x + 1)(1))
"""


def keeps(limit, **environment):
    """Run `KEEPS`, in which warnings are errors and whose caches are set by `environment` alone."""
    done = subprocess.run(
        [sys.executable, "-Werror::UserWarning", "-c", KEEPS, str(limit)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if "CACHE" not in key} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_a_disk_that_is_full_ends_nothing_and_what_it_left_goes(folder):
    cache = folder / "full"
    sizes = []
    for limit in (100, 10**6):
        keeps(limit, XDG_CACHE_HOME=str(cache))
        sizes += [path.stat().st_size for path in (cache / "jaxcs" / "compiled").glob("*/*-cache")]
    assert sizes[0] == 100 < sizes[1]


@pytest.mark.skipif(not PROC.is_dir(), reason="no folder here that nobody can write to")
def test_a_folder_of_the_user_that_cannot_be_written_ends_nothing():
    kept = {"JAX_COMPILATION_CACHE_DIR": str(PROC / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    keeps(10**6, **kept)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The state of a process that has not imported JAX; changes of the environment are undone."""
    monkeypatch.setattr(os, "environ", {"XDG_CACHE_HOME": str(tmp_path)})
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    monkeypatch.setattr(compiled.warnings, "filterwarnings", lambda *_: None)
    return tmp_path / "jaxcs" / "compiled"


def test_what_the_user_says_of_jaxs_cache_holds(cache, capsys):
    os.environ["JAX_COMPILATION_CACHE_DIR"] = "elsewhere"
    before = dict(os.environ)
    compiled.keep_compiled()
    assert os.environ == before
    assert not cache.exists()
    del os.environ["JAX_COMPILATION_CACHE_DIR"]
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "False"
    compiled.keep_compiled()
    assert not cache.exists()
    del os.environ["JAX_ENABLE_COMPILATION_CACHE"]
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "3"
    compiled.keep_compiled()
    (folder,) = cache.iterdir()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "3"
    assert capsys.readouterr().err == ""


def test_a_folder_that_others_can_write_to_is_not_used(cache, capsys):
    compiled.keep_compiled()
    del os.environ["JAX_COMPILATION_CACHE_DIR"]
    next(cache.iterdir()).chmod(0o777)
    compiled.keep_compiled()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "others can write to" in capsys.readouterr().err


@pytest.mark.skipif(not PROC.is_dir(), reason="no folder here that nobody can write to")
def test_where_nothing_can_be_written_nothing_is_kept(cache, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(PROC))
    compiled.keep_compiled()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert capsys.readouterr().err.startswith("note: compiled functions are not kept: ")


def test_without_a_home_nothing_is_kept(cache, monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delitem(os.environ, "XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    compiled.keep_compiled()
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "there is no home folder" in capsys.readouterr().err


def test_the_oldest_go_where_there_are_too_many(cache, monkeypatch):
    monkeypatch.setattr(compiled, "_LIMIT", 1000)
    for index in range(6):
        path = cache / f"machine{index % 2}" / f"{index}-cache"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(200))
        os.utime(path, (index, index))
    compiled.keep_compiled()
    assert sorted(path.name for path in cache.glob("machine*/*")) == ["3-cache", "4-cache", "5-cache"]


def test_entries_are_looked_at_once_and_those_cut_short_go(cache):
    compiled.keep_compiled()
    (folder,) = cache.iterdir()
    time.sleep(0.02)
    whole = zlib.compress(os.urandom(3 * compiled._PIECE))
    for name, content in {"whole": whole, "cut": whole[:-1], "empty": b"", "zstd": b"\x28\xb5\x2f\xfd"}.items():
        (folder / f"{name}-cache").write_bytes(content)
    compiled._drop_broken(folder)
    assert {path.name for path in folder.glob("*-cache")} == {"whole-cache", "zstd-cache"}
    # Older than the last check: not read again.
    (folder / "old-cache").write_bytes(b"")
    os.utime(folder / "old-cache", (1, 1))
    compiled._drop_broken(folder)
    assert (folder / "old-cache").exists()
