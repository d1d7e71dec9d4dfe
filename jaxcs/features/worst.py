"""The feature that a method loses most easily, by gradients through the method.

All features of a search lie in the same window and are visible in the fully sampled image: their mean there is at
least a given multiple of its noise.  What is maximised is the share of a feature's energy that is lost, so that it is
no matter of how faint they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.attacks.base import Attack, AttackResult
from jaxcs.complex import l2_norm, safe_sqrt
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# What a feature makes in the reconstruction and in the truth: images with it less images without it.
Differences = Callable[[Array], tuple[Array, Array]]


@partial(jax.tree_util.register_dataclass, data_fields=("radius", "support", "floor"), meta_fields=("real", "domain"))
@dataclass(frozen=True)
class Visible(Threat):
    """Real features f on a window, ||f|| <= radius, whose mean over the window is at least `floor`.

    radius: (), root of the energy.  support: (ny, nx), the window.  floor: (), in the image's units; it must not be
    above radius / sqrt(pixels of the window), or no feature is visible enough.
    """

    real: bool = True
    floor: Float[Array, ""] | float = 0.0

    def project(self, delta: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
        """The nearest feature in the set, which is a ball cut by a half-space."""
        inside = Threat.project(self, delta)
        # The half-space is <f, along> >= level.
        root = jnp.sqrt(jnp.sum(self.support, dtype=jnp.float32))
        along, level = self.support / root, self.floor * root
        delta = jnp.where(self.support, delta, 0)
        rest = delta - jnp.sum(delta * along) * along
        allowed, size = safe_sqrt(self.radius**2 - level**2), l2_norm(rest)
        cut = jnp.where(size > allowed, allowed / jnp.where(size > 0, size, 1.0), 1.0)
        return jnp.where(jnp.sum(inside * along) >= level, inside, level * along + cut * rest)

    def random(self, key: Key) -> Float[Array, "ny nx"]:
        """White Gaussian noise on the window, scaled to the energy and then made visible."""
        return self.project(Threat.random(self, key))


def share_lost(found: Array, inserted: Array) -> Float[Array, ""]:
    """<inserted, inserted - found> / |inserted|^2: what a template of the feature itself no longer finds [-].

    For a method that is linear the largest is an eigenvalue problem.
    """
    return jnp.sum(inserted * (inserted - found)) / jnp.sum(inserted**2)


def worst_profile(attack: Attack, key: Key, differences: Differences, allowed: Visible, start: Array) -> AttackResult:
    """The profile in the set of whose energy the largest share is lost, climbing from `start`."""
    return attack(key, lambda feature: share_lost(*differences(feature)), allowed, start)


def worst_place(attack: Attack, key: Key, differences: Differences, reach: float) -> AttackResult:
    """The shift (2,) [pixels], at most `reach` long, at which the feature loses the largest share of its energy.

    differences: a shift -> those of the feature moved by it.
    """
    allowed = Threat(jnp.float32(reach), jnp.ones(2, bool), real=True)
    return attack(key, lambda shift: share_lost(*differences(shift)), allowed)
