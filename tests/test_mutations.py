"""Files of every format with a few changed bytes, drawn by Hypothesis: refused in one line, or valid when read.

`python -m tests.hostile.campaign` does the same by the hundred thousand.
"""

import sys
from random import Random

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed: jaxcs[test]")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.hostile.mutate import mutate  # noqa: E402
from tests.hostile.pool import Worker  # noqa: E402
from tests.hostile.seeds import seeds, write  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who opened a file")
EXAMPLES = 100  # of each sound file


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """A separate process, because a loop inside the HDF5 library could not be interrupted in this process."""
    with Worker(tmp_path_factory.mktemp("mutations")) as found:
        yield found


@pytest.mark.parametrize("name", seeds())
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,  # the worker has a deadline
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.differing_executors],
)
@given(number=st.integers(0, 2**32 - 1), other=st.sampled_from(sorted(seeds())))
def test_a_mutated_file_is_refused_or_valid(worker, name, number, other):
    seed = seeds()[name]
    path = write(worker.folder / f"mutated{seed.suffix}", mutate(seed.content, Random(number), seeds()[other].content))
    outcome = worker.read(seed.kind, path)
    assert outcome.outcome in ("accepted", "refused"), outcome


@pytest.mark.parametrize("name", seeds())
def test_the_sound_file_is_read(worker, name):
    seed = seeds()[name]
    outcome = worker.read(seed.kind, write(worker.folder / f"sound{seed.suffix}", seed.content))
    assert outcome.outcome == "accepted", outcome


@pytest.mark.parametrize("name", seeds())
def test_mutations_are_the_same_for_the_same_number(name):
    content = seeds()[name].content
    first, again = (mutate(content, Random(3), content) for _ in range(2))
    assert first == again
    assert len({mutate(content, Random(number), content) for number in range(20)}) > 15
