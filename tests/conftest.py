"""What holds for all tests."""

import os

# Tests compile much and compute little: without most of the compiler's optimisation the suite takes half the time.
# In the environment, so that it holds in the processes that tests start, too.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
