"""Search for the feature that a method loses most easily, by gradients through the method.

All features of a search lie in the same window and are visible in the fully sampled image: their mean in the window is
at least a given multiple of the image's noise.  The search maximises the lost share of a feature's energy, so faint
features are not favoured.
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

# (feature, or its shift) -> the feature's differences in the reconstruction and in the truth: images with the feature
# minus images without it.
Differences = Callable[[Array], tuple[Array, Array]]


@partial(jax.tree_util.register_dataclass, data_fields=("radius", "support", "floor"), meta_fields=("real", "domain"))
@dataclass(frozen=True)
class Visible(Threat):
    """Real features f on a window with ||f|| <= radius, whose mean over the window is at least `floor`.

    Attributes:
        radius: () root of the largest energy.
        support: (ny, nx) bool, the window.
        floor: () least mean, in the units of the image.  It must not be above radius / sqrt(pixels of the window), or
            no feature is visible enough.
    """

    real: bool = True
    floor: Float[Array, ""] | float = 0.0

    def project(self, delta: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
        """Project onto the nearest feature in the set, which is a ball cut by a half-space."""
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
        """Draw white Gaussian noise on the window, scale it to the energy, and then make it visible."""
        return self.project(Threat.random(self, key))


def share_lost(found: Array, inserted: Array) -> Float[Array, ""]:
    """Compute the share of the feature that a template of it no longer finds [-].

    The share is <inserted, inserted - found> / |inserted|^2.  For a linear method the largest share is an eigenvalue
    problem.

    Args:
        found: difference that the feature makes in the reconstruction.
        inserted: difference that the feature makes in the truth, of the same shape.
    """
    return jnp.sum(inserted * (inserted - found)) / jnp.sum(inserted**2)


def worst_profile(attack: Attack, key: Key, differences: Differences, allowed: Visible, start: Array) -> AttackResult:
    """Search the set for the profile that loses the largest share of its energy.

    Args:
        attack: the search.
        key: random key of the search.
        differences: profile -> its differences in the reconstruction and in the truth.
        allowed: the set of profiles.
        start: (ny, nx) profile where the search begins.
    """
    return attack(key, lambda feature: share_lost(*differences(feature)), allowed, start)


def worst_place(attack: Attack, key: Key, differences: Differences, reach: float) -> AttackResult:
    """Search for the shift at which the feature loses the largest share of its energy.

    Args:
        attack: the search.
        key: random key of the search.
        differences: shift (2,) -> the differences of the shifted feature in the reconstruction and in the truth.
        reach: largest length of the shift [pixels].

    Returns:
        The result, whose perturbation is the shift (2,) [pixels].
    """
    allowed = Threat(jnp.float32(reach), jnp.ones(2, bool), real=True)
    return attack(key, lambda shift: share_lost(*differences(shift)), allowed)
