"""An attack on one slice: search, control, scores and objections, as in `bench.attack`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcs import evaluate, evidence
from jaxcs.api.given import Given
from jaxcs.api.report import AttackReport, Scores
from jaxcs.api.search import search_of
from jaxcs.api.slices import check_region, check_slice, is_known
from jaxcs.attacks import own
from jaxcs.attacks.defaults import Search
from jaxcs.attacks.losses import LOSSES, ImageLoss
from jaxcs.catalogue import LARGEST_EPSILON
from jaxcs.fourier import image_crop
from jaxcs.goal import OF_GOALS, Goal
from jaxcs.keys import new_key
from jaxcs.metrics import METRICS
from jaxcs.names import check_name, first_line
from jaxcs.recon import zero_filled
from jaxcs.scored import Box, Region
from jaxcs.threats import CHANGES, NORMS, Threat
from jaxcs.threats.scan import Scan
from jaxcs.threats.scan import build as build_scan
from jaxcs.types import Key, Kspace, Maps, Mask, SliceData
from jaxcs.weights.files import Weights

_LOSSES = {name: jax.jit(partial(ImageLoss.__call__, loss)) for name, loss in LOSSES.items()}


def attack(
    reconstruct: Any,
    kspace: Kspace,
    mask: Mask,
    maps: Maps | None = None,
    eps: float | Iterable[float] = (0.05,),
    method: Any = "default",
    threat: str = "measured",
    *,
    truth: Float[Array, "ty tx"] | None = None,
    data_range: float | None = None,
    weights: Weights | None = None,
    loss: str = "nmse",
    stealth: float | None = None,
    region: Box | Region | None = None,
    steps: int | None = None,
    restarts: int | None = None,
    key: int | Key = 0,
) -> AttackReport:
    """Find the worst small perturbation of one slice, and compare it with noise of equal size.

        report = jaxcs.attack("l1", kspace, mask, eps=[0.02, 0.05])
        print(report)

    The unit of epsilon: for the threat "measured" a perturbation e of the measured samples has ||e|| <= eps * ||M y||
    in the l2 norm, all coils together; M y is the measured k-space.  So 0.05 is 5 % of the data, whatever their scale.

    Args:
        reconstruct: a name in `jaxcs.METHODS`; a configuration such as `jaxcs.recon.l1.Config(lam=0.005)`; or a
            function of yours, (kspace, mask) or (kspace, mask, maps) -> magnitude image, that JAX can differentiate.
            It gets k-space in the units of `kspace`.  A `torch.nn.Module` of the same arguments is put into `eval()`
            and bridged; `jaxcs.interop.from_torch` bridges other functions of PyTorch.
        kspace: (coil, ny, nx) complex, centred orthonormal k-space in any units: either measured, 0 where the mask is
            False; or fully sampled, and the method then gets the samples of the mask.
        mask: (nx,) for whole columns or (ny, nx) for single samples, True where measured, zero frequency at n // 2.
        maps: (coil, ny, nx) complex coil maps; None estimates them by ESPIRiT, see `jaxcs.estimate_maps`.
        eps: sizes of the perturbation, relative [-], or in the unit of a change (`jaxcs.threats.CHANGES[NAME].unit`).
        method: the attack: a name in `jaxcs.ATTACKS`; a configuration such as `jaxcs.attacks.apgd.Config(n_steps=10)`;
            a function (key, loss, threat) -> `jaxcs.attacks.AttackResult`, see `jaxcs.attacks.Attack`; or "default":
            `scout` for solvers and functions, `apgd` for networks and for changes.
        threat: the set of perturbations: "measured" = of the samples, relative to all of them; "per_coil" = a ball for
            each coil; "image" = of the image, relative to the truth; "kspace" = of all of k-space; "whitened" = of the
            data whitened by the coils' noise; or a change of the scan: shift, rotation, deformation, bias, maps, phase.
        truth: (ty, tx) true image in the units of `kspace`; images are cropped to it as in fastMRI.  None is the root
            sum of squares of fully sampled `kspace`; if `kspace` is under-sampled, the attack drives the image away
            from the clean image instead.
        data_range: peak for PSNR and SSIM, in fastMRI the maximum of the volume; None is the maximum of the truth.
        weights: weights of a trained network, from `jaxcs.load_weights`; None for other methods.
        loss: the error that the attack maximises, a name in `jaxcs.attacks.losses.LOSSES`; "hallucination" needs fully
            sampled `kspace` and a threat that is added to the data.
        stealth: the most SSIM of the whole image that the attack may cost [-], None for any.
        region: the part that is scored and attacked, None for the whole image: (first row, first column, rows,
            columns), or (ty, tx) bool, True inside.
        steps: number of steps of the attack, None for its configuration's.
        restarts: number of starts of the attack, None for its configuration's.
        key: seed or random key of starting points, of noise, and of an un-trained network.

    Returns:
        Images, perturbations, noise, sizes, scores and flags, see `jaxcs.AttackReport`.

    Raises:
        ValueError: shapes, masks, names or settings do not fit; the message is one line.
        TypeError: numbers are of the wrong kind, or JAX cannot trace the function; the message is one line.
    """
    _check(kspace, mask, maps, threat, loss)
    if stealth is not None and not 0 < stealth < 1:
        raise ValueError(f"stealth is {stealth}; give the SSIM that may be lost, between 0 and 1, such as 0.01")
    sizes = _sizes(eps)
    given = Given.of(reconstruct, kspace, mask, maps, threat, weights)
    data = given.slice_of(truth, data_range, threat)
    if region is not None:
        data = data._replace(region=check_region(region, (data.target.shape[0], data.target.shape[1])))
    scan = build_scan(threat, maps="fixed") if threat in CHANGES else build_scan(norm=threat)
    victim = given.victim.for_shape(data.maps.shape[1:], data.target.shape)
    search = search_of(method, victim, threat, loss, stealth, steps, restarts)
    goal = Goal(
        "truth" if given.whole or truth is not None else "clean",
        loss,
        "image" if region is None else "region",
        stealth=stealth,
    )
    if LOSSES[loss].sees == "hallucination" and not (given.whole and jnp.iscomplexobj(data.kspace)):
        raise ValueError(f"loss {loss!r}: what is not measured must be known; give fully sampled kspace")
    if search.entry is not None:
        _check_own(search, scan.allowed(data, jnp.float32(max(sizes))))
    functions = evaluate.build(goal, victim.params, victim.method, victim.config, {"attack": search}, scan)
    keys = (new_key(key) if isinstance(key, int) else key)[None]
    computed = _computed(functions, scan, data, keys, sizes, without_truth=goal.target == "clean")
    return _report(given, goal, (victim.name, search.name, threat), sizes, computed)


def _check(kspace: Any, mask: Any, maps: Any, threat: str, loss: str) -> None:
    if not is_known(kspace, mask):
        raise TypeError("kspace or mask is traced by JAX; call jaxcs.attack outside jit, slice by slice")
    check_slice(kspace, mask, maps)
    check_name("threat", threat, (*NORMS, *CHANGES))
    check_name("loss", loss, LOSSES)


def _check_own(search: Search, threat: Threat) -> None:
    """Raise ValueError or TypeError, in one line, if a function of one's own is no attack on this threat set."""
    try:
        own.tried(search.kind.build(search.config), threat, new_key(0))
    except Exception as error:
        said = first_line(error)
        kind = ValueError if type(error) is ValueError else TypeError
        raise kind(f"method {search.name}, tried with {own.SIGNATURE}: {said}") from error


def _sizes(eps: float | Iterable[float]) -> tuple[float, ...]:
    found = tuple(sorted({float(one) for one in (eps if isinstance(eps, Iterable) else (eps,))}))
    if not found or not all(0 < one <= LARGEST_EPSILON for one in found):
        raise ValueError(f"eps is {eps}; give sizes above 0 and at most {LARGEST_EPSILON:g}, such as 0.05")
    return found


class _Computed(NamedTuple):
    """Results for a slice, on the host.

    Attributes:
        data: the slice; without a truth, its target is the clean image.
        clean: the clean reconstruction.
        found: the results of the search, by epsilon.
        noisy: the reconstructions under noise, by epsilon.
        attacked: the reconstructions under attack, by epsilon.
    """

    data: SliceData
    clean: evaluate.Evaluated
    found: evaluate.Found
    noisy: evaluate.Evaluated
    attacked: evaluate.Evaluated


def _computed(
    functions: evaluate.Functions,
    scan: Scan,
    data: SliceData,
    keys: Array,
    sizes: tuple[float, ...],
    without_truth: bool,
) -> _Computed:
    batch = jax.tree.map(lambda leaf: leaf[None], data)
    staged = functions.stage(batch)
    nothing = jax.eval_shape(scan.nothing, data)
    none = jnp.zeros((1, 1, *nothing.shape), nothing.dtype)
    clean = functions.evaluate(batch, staged, none, keys)
    if without_truth:
        largest = jnp.where(batch.data_range > 0, batch.data_range, jnp.max(clean.image))
        batch = batch._replace(target=clean.image[:, 0], data_range=largest)
        clean = functions.evaluate(batch, staged, none, keys)
    start, every = functions.prepare(batch, keys), jnp.asarray([sizes], jnp.float32)
    found = functions.searches["attack"](batch, staged, clean.image[:, 0], start, every, keys)
    noisy, attacked = (functions.evaluate(batch, staged, delta, keys) for delta in (found.noise, found.delta))
    clean = jax.tree.map(lambda leaf: leaf[:, 0], clean)
    computed = jax.tree.map(lambda leaf: np.asarray(leaf[0]), (batch, clean, found, noisy, attacked))
    return _Computed(*computed)


def _report(
    given: Given,
    goal: Goal,
    names: tuple[str, str, str],
    sizes: tuple[float, ...],
    computed: _Computed,
) -> AttackReport:
    """The report, in the units that the slice came in, with its flags."""
    data, clean, found, noisy, attacked = computed
    arrays = {"clean image": clean.image, "perturbation": found.delta, "attacked image": attacked.image}
    for name, array in (arrays | {"image under noise": noisy.image}).items():
        if not np.isfinite(array).all():
            raise ValueError(f"{names[0]}: the {name} holds NaN or infinity; the square root of 0 has such a gradient")
    image = given.scale
    # The parameters of a change are not in the units of k-space.
    perturbation = given.scale if names[2] in NORMS else 1.0
    return AttackReport(
        *names,
        eps=sizes,
        clean=np.asarray(clean.image) * image,
        attacked=np.asarray(attacked.image) * image,
        noisy=np.asarray(noisy.image) * image,
        truth=None if goal.target == "clean" else np.asarray(data.target) * image,
        perturbation=np.asarray(found.delta) * perturbation,
        noise=np.asarray(found.noise) * perturbation,
        norm=np.asarray(found.norm),
        norm_kspace=np.asarray(found.norm_kspace),
        loss=np.asarray(found.loss),
        trace=np.asarray(found.trace),
        scores={
            name: Scores(float(clean.scores[name]), *(np.asarray(one.scores[name]) for one in (noisy, attacked)))
            for name in (*METRICS, *(name for name in OF_GOALS if name in clean.scores))
        },
        flags=_flags(given, goal, sizes, computed),
    )


def _flags(given: Given, goal: Goal, sizes: tuple[float, ...], computed: _Computed) -> tuple[tuple[str, ...], ...]:
    """The names of the objections to the result, for each epsilon."""
    data, clean, found, noisy, attacked = computed

    def error_of(scored: evaluate.Evaluated, index: int) -> float:
        if LOSSES[goal.loss].sees != "image":
            return float(scored.scores[goal.loss][index])
        reference = clean.image if goal.target == "clean" else scored.truth[index]
        return float(_LOSSES[goal.loss](scored.image[index], reference, data.data_range, goal.aimed(data)))

    errors = [error_of(attacked, index) for index in range(len(sizes))]
    scored = {name: float(score) for name, score in clean.scores.items()}
    always = {} if goal.target == "clean" else evidence.clean_flags(scored, _zero_filled(given, data))
    flags = []
    for index, eps in enumerate(sizes):
        clamped = float(attacked.scores["clamped"][index]) if "clamped" in attacked.scores else 0.0
        # The error is NaN if the method minimises nothing.
        solver = (clean.solver_error, noisy.solver_error[index], attacked.solver_error[index])
        holds = always | evidence.search_flags(eps, jax.tree.map(lambda leaf, i=index: leaf[i], found), {})
        holds |= evidence.victim_flags(eps, errors[index], error_of(noisy, index), clamped, randomised=False)
        holds["solver not converged"] = any(bool(error > evidence.CONVERGED) for error in solver)
        holds["not monotone"] = any(smaller > errors[index] for smaller in errors[:index])
        flags.append(tuple(evidence.raised(holds)))
    return tuple(flags)


def _zero_filled(given: Given, data: SliceData) -> dict[str, float]:
    """Scores of the zero-filled image, with which every method is compared."""
    image = zero_filled.build(zero_filled.Config()).apply({}, given.measurement, new_key(0))
    image = image_crop(image, (data.target.shape[0], data.target.shape[1]))
    return {name: float(metric(image, data.target, data.data_range, data.region)) for name, metric in METRICS.items()}
