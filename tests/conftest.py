"""Settings for all tests."""

import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

# Tests compile much and compute little.  Without most of the compiler's optimisation the suite takes half the time.
# The setting is in the environment, so that it also holds in processes that tests start.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# XLA's older way to write loops compiles in two thirds of the time.  A flag that a version does not know ends the
# process, so one process tries it first.  The others inherit the result.
OLDER_LOOPS = "--xla_cpu_use_fusion_emitters=false"
if "XLA_FLAGS" not in os.environ:
    asked = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"],
        env=os.environ | {"XLA_FLAGS": OLDER_LOOPS, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        check=False,
    )
    os.environ["XLA_FLAGS"] = "" if asked.returncode else OLDER_LOOPS
# No test depends on the user's cache.  All compiled functions are kept until the end of the tests, small functions too:
# a process that a test starts loads them, and takes 2.4 s of CPU instead of 2.9 s.  Each test process has its own
# cache, because it must not read half-written entries.
KEPT = tempfile.mkdtemp(prefix="jaxcs-tests-")
atexit.register(shutil.rmtree, KEPT, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = KEPT
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "1"

# To trace a function is to make many small objects, which stay in use.  Fewer collections trace in nine tenths of the
# time.  A file that a test leaves open in a cycle still fails a test: the next that makes 20 000 objects.
gc.set_threshold(20_000)

# The longest files begin first, so that none is left to one process while the others are idle.
LONG = {
    f"test_{name}"
    for name in (
        "untrained", "distributed_train", "acceptance", "bench_matrix", "recon", "train", "bench_attack", "espirit",
        "distributed", "export", "checkpoints", "survival", "jobs", "irim", "ttt", "ttt_study", "compiled", "counted",
    )
}  # fmt: skip


def pytest_collection_modifyitems(items):
    gc.freeze()  # modules and tests stay until the end
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture
def one_form(monkeypatch):
    """XLA's convolution for any number of channels, which compiles faster; other tests cover the other forms."""
    monkeypatch.setattr("jaxcs.nets.convolution._FEW_CHANNELS", 0)


@pytest.fixture
def no_figures(monkeypatch):
    """Runs of bench.attack that draw nothing: to draw takes as long as to attack a small slice."""
    monkeypatch.setattr("bench.run.finish.draw_into", lambda folder, name, *_, again: folder.write(name, b"figure"))
