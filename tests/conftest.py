"""What holds for all tests."""

import os

# Tests compile much and compute little: without most of the compiler's optimisation the suite takes half the time.
# In the environment, so that it holds in the processes that tests start, too.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Nothing depends on what the user has kept.  A folder for the suite would gain nothing: most is compiled once, and to
# write it down takes as long as is saved.  Tests that start the same command several times have one of their own.
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "0"
