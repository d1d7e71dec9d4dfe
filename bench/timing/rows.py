"""The timed pieces of work, and who does each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.timing import counts, work
from bench.timing.counts import Counts
from bench.timing.names import OF_CT
from bench.timing.networks import STEPS
from bench.timing.peers import Peers
from bench.timing.programs import with_ct

OURS = "jaxcs"
# Relative to max|A^H y|, the default of the project.  SigPy and BART see the same data, and therefore the same lambda.
LAM = 0.002
_CT_SIZE, _CT_VIEWS = 512, 50


@dataclass(frozen=True)
class Side:
    """A program that does the work.

    Attributes:
        who: label of the side.
        program: MODULE:FUNCTION, see `bench.timing.programs`.
        options: options of the program.
        interpreter: interpreter of the program, None for the interpreter of this process.
        count: operations and bytes of one run, or of one iteration if the row converges; None for peers.
    """

    who: str
    program: str
    options: dict[str, Any]
    interpreter: Path | None = None
    count: Counts | None = None


@dataclass(frozen=True)
class Row:
    """One piece of work.

    Attributes:
        name: name of the work.
        what: the work in words.
        sides: the programs; the first is ours, and the times of the others are divided by its time.
        converge: whether each side runs as many iterations as it needs to come near its own solution.
        iterations: number of iterations, if not `converge`.
        at_once: number of slices, examples or fits that are computed together.
        notes: remarks to print.
    """

    name: str
    what: str
    sides: list[Side]
    converge: bool = False
    iterations: int = 1
    at_once: int = 1
    notes: list[str] = field(default_factory=list)


def build(
    name: str,
    shape: tuple[int, int, int],
    iterations: int,
    folder: Path,
    peers: Peers,
    at_once: int = 1,
    accelerator: bool = False,
) -> Row:
    """Build the row of a name with the available peers.

    Args:
        name: name of the work.
        shape: (coils, rows, columns) of the slice.
        iterations: iterations of l1 for the gradient.
        folder: folder of the slice, which `work.write` wrote.
        peers: available peers.
        at_once: number of slices, examples or fits together; more than one leaves out peers that take one.
        accelerator: whether JAX computes on a GPU or TPU; PyTorch and SigPy then do so too, if they can.
    """
    row = _row(name, shape, iterations, folder, peers if at_once == 1 else peers.of_many(), at_once, accelerator)
    if at_once == 1:
        return row
    sides = [replace(side, count=side.count and side.count.times(at_once)) for side in row.sides]
    return replace(row, what=f"{row.what}, {at_once} at once", sides=sides, at_once=at_once)


def _row(
    name: str, shape: tuple[int, int, int], iterations: int, folder: Path, peers: Peers, at_once: int, accelerator: bool
) -> Row:
    if name in STEPS:
        return _network(name, peers, at_once, accelerator)
    if name in OF_CT:
        return _ct(name, peers, at_once)
    data: dict[str, Any] = {"folder": str(folder), "at_once": at_once, "accelerator": accelerator and peers.cupy}
    if name in ("l1", "l1-db4"):
        row = _l1(name, (work.coils_that_count(folder), *shape[1:]), data, peers)
        if at_once == 1:
            return row
        # The number of iterations to a solution is known from one slice.
        sides = [replace(side, count=side.count and side.count.times(iterations)) for side in row.sides]
        what = f"l1 reconstruction, {sides[0].options['wavelet']}, {iterations} iterations"
        return replace(row, what=what, sides=sides, converge=False, iterations=iterations)
    if name == "l1-attack-step":
        options = data | {"lam": LAM, "wavelet": "db4"}
        counted = (work.coils_that_count(folder), *shape[1:])
        once = counts.l1(counted, 8, iterations)
        # The adjoint system takes a third as many iterations; each costs as much as an iteration of the solver.
        both = counts.l1(counted, 8, iterations + -(-iterations // 3))
        sides = [
            Side(f"{OURS}, one reconstruction", "bench.timing.ours:l1", options, count=once),
            Side(f"{OURS}, its gradient", "bench.timing.ours:l1_attack", options, count=both),
        ]
        return Row(name, f"gradient through l1, {iterations} iterations", sides, iterations=iterations)
    if name == "espirit":
        converged, bart = data | {"preset": "converged"}, data | {"preset": "bart"}
        sides = [
            Side(OURS, "bench.timing.ours:espirit", converged, count=counts.espirit(shape, 60)),
            Side(f"{OURS}, preset bart", "bench.timing.ours:espirit", bart, count=counts.espirit(shape, 30)),
        ]
        for threads in (1, 2) if peers.bart else ():
            label = f"BART ecalib, {threads} thread{'s' * (threads > 1)}"
            sides.append(Side(label, "bench.timing.programs.with_bart:espirit", data | {"threads": threads}))
        sides += _sigpy("SigPy EspiritCalib", "espirit", data, peers)
        return Row(name, "coil maps by ESPIRiT", sides)
    options = data | {"wavelet": "db4"}
    what = {"normal": "one A^H A", "wavelet": "db4 there and back"}[name]
    count = counts.normal(shape) if name == "normal" else counts.wavelet(shape, 8)
    ours = Side(OURS, f"bench.timing.ours:{name}", options, count=count)
    return Row(name, what, [ours, *_sigpy("SigPy", name, options, peers)])


def _ct(name: str, peers: Peers, at_once: int) -> Row:
    """The published geometry: 50 views of 512 x 512 pixels, with as many detectors."""
    of, what = {
        "radon": (with_ct.FORWARD, "Radon transform"),
        "radon-adjoint": (with_ct.ADJOINT, "back-projection without a filter"),
        "fbp": (with_ct.FBP, "filtered back-projection"),
    }[name]
    options = {"size": _CT_SIZE, "views": _CT_VIEWS, "of": of, "at_once": at_once}
    count = counts.radon(_CT_SIZE, _CT_VIEWS, filtered=of == with_ct.FBP)
    sides = [Side(OURS, "bench.timing.ours:radon", options, count=count)]
    if peers.scikit_image:
        program = "bench.timing.programs.with_ct:scikit_image"
        sides.append(Side("scikit-image", program, options, peers.scikit_image))
    if peers.astra and of != with_ct.FBP:
        sides.append(Side("ASTRA on the CPU, linear", "bench.timing.programs.with_ct:astra", options, peers.astra))
    return Row(name, f"{what}, {_CT_VIEWS} views of {_CT_SIZE} x {_CT_SIZE}", sides)


def _l1(name: str, shape: tuple[float, int, int], data: dict[str, Any], peers: Peers) -> Row:
    """Haar is the same at the edges in all three programs, so all solve one problem; SigPy and we default to db4."""
    wavelet, taps = ("haar", 2) if name == "l1" else ("db4", 8)
    options = data | {"lam": LAM, "wavelet": wavelet}
    sides = [Side(OURS, "bench.timing.ours:l1", options, count=counts.l1(shape, taps, 1))]
    notes = []
    if peers.bart and name == "l1":
        sides.append(Side("BART pics, 2 threads", "bench.timing.programs.with_bart:l1", options | {"threads": 2}))
    elif peers.bart:
        notes.append("BART has no db4")
    sides += _sigpy("SigPy L1WaveletRecon", "l1", options, peers)
    what = f"l1 reconstruction, {wavelet}, to 0.1 % of its own solution"
    return Row(name, what, sides, converge=True, notes=notes)


def _sigpy(who: str, function: str, options: dict[str, Any], peers: Peers) -> list[Side]:
    who += " with CuPy" * options["accelerator"]
    return [Side(who, f"bench.timing.programs.with_sigpy:{function}", options, peers.sigpy)] if peers.sigpy else []


def _network(name: str, peers: Peers, at_once: int, accelerator: bool) -> Row:
    from bench.timing.networks import options as network_options

    options = network_options(name, at_once)
    shape, method, step = options["shape"], options["method"], options["step"]
    if method == "unet":
        forward = counts.unet(shape[1], shape[2], 1, options["channels"], options["pools"])
    elif method == "varnet":
        sizes = ("cascades", "channels", "pools", "sens_channels", "sens_pools")
        forward = counts.varnet(shape, *(options[size] for size in sizes))
    else:
        forward = counts.decoder(shape, options["channels"], options["sizes"])
    # The backward pass to the input costs another forward pass, and that to the weights a third.
    count = forward.times({"attack": 2, "training": 3, "fit": 3 * options.get("steps", 1)}[step])
    sides = [Side(OURS, f"bench.timing.networks:{step}", options, count=count)]
    if peers.torch and (at_once == 1 or step != "fit"):
        label = "PyTorch" if step == "fit" else "fastmri"
        for compiled in (False, True) if accelerator else (False,):
            given = options | {"device": "cuda" if accelerator else "cpu", "compiled": compiled}
            who = label + ", torch.compile" * compiled
            sides.append(Side(who, f"bench.timing.programs.with_torch:{step}", given, peers.torch))
    words = {
        "attack": f"attack step on {method}",
        "training": f"training step of {method}",
        "fit": f"{options.get('steps')} steps of ConvDecoder's fit",
    }
    return Row(name, f"{words[step]}, {' x '.join(map(str, shape))}", sides)
