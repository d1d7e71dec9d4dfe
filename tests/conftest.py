"""What holds for all tests."""

import os
import tempfile

# Tests compile much and compute little: without most of the compiler's optimisation the suite takes half the time.
# In the environment, so that it holds in the processes that tests start, too.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def pytest_configure(config):
    """All processes of the suite share what they compile, and nothing with the user's own runs."""
    if hasattr(config, "workerinput"):  # the process that started this one has done so
        return
    folder = tempfile.TemporaryDirectory(prefix="jaxcs-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    # The smallest functions compile as fast as they are read.
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
    os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"
