"""All methods of a world on one slice, with results that are computed once."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jaxtyping import Array

from bench.slices.prepare import Prepared
from bench.studies.stability.cast import Cast, Member
from bench.studies.stability.functions import Functions, build, perturbed
from bench.studies.staged import Staged
from data_prep.names import checksum
from jaxcs.attacks import momentum
from jaxcs.complex import l2_norm
from jaxcs.keys import new_key
from jaxcs.recon import fitted
from jaxcs.types import Key

# Results of a unit: rows of its record, and pictures by name.
Rows = list[dict[str, Any]]
Work = tuple[Rows, dict[str, Array]]
# The functions of each method, by its label and configuration.
Compiled = dict[Any, Functions]


class OneImage(NamedTuple):
    """A world on a slice.

    Attributes:
        cast: the methods.
        prepared: the slice.
        functions: compiled functions of each method, by label.
        staged: the slice for each method.
        clean: (ty, tx) image of the unperturbed data, of each method.
        reference: what is compared of these images, see `Functions`.
        key: random key of the methods.
        random: random key of the attacks and the noise.
    """

    cast: Cast
    prepared: Prepared
    functions: dict[str, Functions]
    staged: dict[str, Staged]
    clean: dict[str, Array]
    reference: dict[str, Array]
    key: Key
    random: Key

    def image(self, label: str, r: Array) -> Array:
        """Reconstruct y + A r.

        Args:
            label: the method.
            r: (ny, nx) perturbation.

        Returns:
            (ty, tx) image.
        """
        return self.functions[label].image(self.staged[label], perturbed(self.prepared.data, r), self.key)

    def moved(self, label: str, r: Array) -> tuple[Array, Array]:
        """Reconstruct y + A r: (ty, tx) image, and how far it is moved: () norm of the change of what is compared."""
        functions, image = self.functions[label], self.image(label, r)
        found = image
        if functions.compared is not functions.image:
            found = functions.compared(self.staged[label], perturbed(self.prepared.data, r), self.key)
        return image, l2_norm(found - self.reference[label])


def functions_of(
    compiled: Compiled, cast: Cast, member: Member, prepared: Prepared, constants: momentum.Config, steps: int
) -> Functions:
    """Build the functions of a method for slices of this shape, or find them."""
    data = prepared.data
    method_config = fitted(member.subject.method_config, data.maps.shape[1:], data.target.shape)
    kind = (member.label, method_config, constants)
    if kind not in compiled:
        more = (cast.world.ascent, cast.residual)
        compiled[kind] = build(member.subject, method_config, constants, steps, *more)
    return compiled[kind]


def on(cast: Cast, prepared: Prepared, compiled: Compiled, constants: momentum.Config, steps: int) -> OneImage:
    """Stage a slice for all methods of a world, and reconstruct it by each.

    Args:
        cast: the world.
        prepared: the slice.
        compiled: functions that were built before; new ones are added.
        constants: constants and snapshots of Algorithm 1.
        steps: gradient evaluations of projected gradients.
    """
    prepared = prepared.sent()
    # The seed comes from the name, so that a slice's numbers do not depend on the other slices of the study.
    seed = jax.random.fold_in(new_key(cast.config.seed), checksum(prepared.name))
    key, random = jax.random.split(seed)
    functions = {one.label: functions_of(compiled, cast, one, prepared, constants, steps) for one in cast.members}
    staged = {label: one.stage(prepared.data) for label, one in functions.items()}
    clean = {label: one.image(staged[label], prepared.data.kspace, key) for label, one in functions.items()}
    reference = {
        label: clean[label] if one.compared is one.image else one.compared(staged[label], prepared.data.kspace, key)
        for label, one in functions.items()
    }
    return OneImage(cast, prepared, functions, staged, clean, reference, key, random)
