"""A certificate of randomised smoothing: how far no small perturbation moves the image, with a sampling confidence.

Center smoothing (Kumar & Goldstein, NeurIPS 2021, arXiv:2102.09701) certifies methods whose outputs are images.  Let N
be white Gaussian noise of standard deviation sigma in each real number of the data, f the method, z the smoothed image
of the data y, and R a radius for which

    P[ ||f(y + N) - z|| <= R ] >= Phi(Phi^-1(p') + radius / sigma).

By the lemma of Neyman and Pearson, P[ ||f(y' + N) - z|| <= R ] >= p' for every y' with ||y' - y|| <= radius.  Of the
draws f(y' + N_i) from which the image of y' is made, so many then lie in the ball of radius R about z:

    more than half:  the smallest ball about one of them that holds more than half has at most twice the radius R,
                     and shares a draw with the ball about z, so that its centre is at most 3 R from z
    all:             their mean lies in the ball too, at most R from z

with a probability that follows from the binomial distribution.  R is an order statistic of the distances of further
draws.

The publication has the first case alone, about the centre itself, with Hoeffding's inequality; the binomial
distribution is exact, and needs fewer draws.  The certificate holds for a perturbation that does not depend on the
draws of its own image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float
from scipy import special

from jaxcs.complex import l2_norm
from jaxcs.types import Key

# How many of the draws must lie in the ball, and how many radii the average then is from its middle.
_AVERAGES: dict[str, tuple[Callable[[int], int], int]] = {
    "mean": (lambda draws: draws, 1),
    "center": (lambda draws: draws // 2 + 1, 3),
}


def distance_bound(
    distances: Float[np.ndarray, "draw"],
    radius: float,
    sigma: float,
    draws: int,
    average: str = "mean",
    confidence: float = 0.95,
) -> float:
    """Bound the distance of every smoothed image of perturbed data from a point.

    Args:
        distances: of images of the unperturbed data with noise from the point, which does not depend on them, in any
            unit.
        radius: largest l2 norm of a perturbation, in the unit of the data.
        sigma: standard deviation of the noise in each real number of the data, in the same unit.
        draws: number of images that are averaged.
        average: "mean" or "center", see `jaxcs.recon.smoothed`.
        confidence: probability with which the bound holds, over the draws of both images [-].

    Returns:
        The bound, in the unit of the distances; infinity if there is none, because the radius is too large for sigma
        and for the number of distances.
    """
    inside, factor = _AVERAGES[average]
    rank = rank_of(len(distances), level_of(radius / sigma, draws, inside(draws), confidence), confidence)
    return math.inf if rank is None else factor * float(np.sort(distances)[rank - 1])


def level_of(shift: float, draws: int, inside: int, confidence: float) -> float:
    """Compute the probability that the ball must have for unperturbed data.

    Args:
        shift: norm of the perturbation over sigma [-].
        draws: number of draws of the perturbed data.
        inside: number of them that must lie in the ball.
        confidence: probability of the whole certificate; half of the rest is for this step [-].
    """
    least = special.bdtri(inside - 1, draws, (1 - confidence) / 2)
    return float(special.ndtr(special.ndtri(least) + shift))


def rank_of(count: int, level: float, confidence: float) -> int | None:
    """Find the smallest order statistic below which a share of at least `level` lies.

    Args:
        count: number of draws.
        level: the share [-].
        confidence: probability of the whole certificate; half of the rest is for this step [-].

    Returns:
        The rank, from 1, or None if the largest of the draws is not enough.
    """
    ranks = np.arange(1, count + 1)
    enough = special.bdtr(ranks - 1, count, level) >= 1 - (1 - confidence) / 2
    return int(ranks[enough][0]) if level < 1 and enough.any() else None


def largest_shift(count: int, draws: int, average: str = "mean", confidence: float = 0.95) -> float:
    """Compute the largest norm of a perturbation over sigma that so many distances can certify.

    Args:
        count: number of distances.
        draws: number of images that are averaged.
        average: "mean" or "center".
        confidence: probability of the certificate [-].

    Returns:
        The norm over sigma [-]; at or below 0 nothing can be certified.
    """
    rest = (1 - confidence) / 2
    inside, _ = _AVERAGES[average]
    # The largest draw is above a share p of all with probability 1 - p^count.
    return float(special.ndtri(rest ** (1 / count)) - special.ndtri(special.bdtri(inside(draws) - 1, draws, rest)))


def distances_by(image: Callable[[Key], Array], middle: Array, keys: Key) -> Float[Array, "draw"]:
    """Compute the distances of images with noise from a point, one after the other.

    Args:
        image: key of the noise -> image.
        middle: the point, shaped like an image.
        keys: (draw,) keys.
    """
    return jax.lax.map(lambda key: l2_norm(image(key) - middle), keys)
