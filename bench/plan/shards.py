"""Parts of a run."""

from __future__ import annotations

from typing import NamedTuple

from bench.plan.errors import UsageError


class Shard(NamedTuple):
    """Part number `part` of `of` parts, counted from 1."""

    part: int
    of: int

    def __str__(self) -> str:
        return f"{self.part}/{self.of}"


WHOLE = Shard(1, 1)


def positions_of(shard: Shard, total: int) -> list[int]:
    """Choose the cases of a part: every of-th of `total`, so that each part has its share of every shape.

    Raises:
        UsageError: there are fewer cases than parts.
    """
    if shard.of > total:
        raise UsageError(f"--shard {shard}: there are {total} images; make at most {total} parts or processes")
    return list(range(shard.part - 1, total, shard.of))
