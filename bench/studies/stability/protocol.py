"""The paper's protocol, --like antun2020: its networks, its constants, and what a study has in their place."""

from __future__ import annotations

import jax
from jaxtyping import PyTree

from bench.studies.stability.cast import Cast
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.worlds import AUTO

# Parameters of the published networks, by world, with the running statistics of DAGAN; MRI-VN is that of the code.
_PUBLISHED = {
    "deepmri": 565_770, "automap": 902_498_649, "dagan": 98_587_393 + 13_056, "mri_vn": 65_530,
    "ell50": 34_562_945, "med50": 34_562_945,
}  # fmt: skip


def preset_of(cast: Cast, config: StabilityConfig) -> str:
    """Return the preset of the attack momentum for a world: the published constants, or the automatic ones.

    Constants that are far too large for any other network than the paper's are taken only if the protocol is asked for.
    """
    world = cast.world
    if config.constants == AUTO:
        return AUTO
    return world.constants or (world.protocol if config.like else None) or AUTO


def differences(found: list[Cast], config: StabilityConfig) -> list[str]:
    """Return what the study has in the place of the paper's, a sentence for each difference; none without --like."""
    return [one for cast in found for one in _differences(cast, config)] if config.like else []


def _differences(cast: Cast, config: StabilityConfig) -> list[str]:
    said = []
    weights, published = _count(cast.tested.subject.params), _PUBLISHED[cast.name]
    if weights != published:
        said.append(f"{cast.name}: the network has {weights:,} weights, that of the paper {published:,}")
    if "perturbation" in config.studies:
        if preset_of(cast, config) == AUTO:
            said.append(f"{cast.name}: the paper has no perturbation of it, so the constants are automatic")
        elif config.steps is not None:
            said.append(f"{cast.name}: --steps {config.steps} is in the place of the paper's number of steps")
        if cast.name == "automap":
            said.append("automap: the perturbation is that of Fig. 2; Fig. 7 has more steps, away from the clean image")
    return said


def _count(params: PyTree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))
