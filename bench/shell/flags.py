"""Flags that several commands share."""

from __future__ import annotations

from argparse import Namespace, _ActionsContainer, _ArgumentGroup
from collections.abc import Sequence
from typing import Any

from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.processes.distributed import Meeting
from bench.shell.arguments import NamedOnce, address, criterion, integer, number, one_of, printable_word, setting
from jaxcs.catalogue import (
    CT_PHANTOMS,
    KSPACE,
    MASKS,
    METHODS,
    PHANTOMS,
    RANDOM,
    SHIFTS,
    SINOGRAM,
    WITH_FINDINGS,
    MethodLine,
)

DEVICES = ("auto", "cpu", "gpu", "tpu")
PRECISIONS = ("default", "float32")
CENTER_FRACTION = RANDOM[2]
# Flags that may differ between the processes of a job.
_MAY_DIFFER = ("process", "coordinator", "output", "device", "json", "debug")


def add_data(group: _ArgumentGroup, ct: bool = False, several: bool = False) -> None:
    """Add --data, --acquisition and --phantom.

    Args:
        group: the group of arguments.
        ct: whether --phantom takes the phantoms of CT too.
        several: whether --phantom takes several families.
    """
    group.add_argument(
        "--data", metavar="PATH", help="a fastMRI HDF5 file, a folder of them, or an HDF5 file of images"
    )
    words = "; of CT: ellipses or thorax; knee, or ellipses for a method of CT, if not given" if ct else ""
    words += "; several: an equal share of the images from each" if several else ""
    group.add_argument(
        "--acquisition",
        type=printable_word,
        nargs="+",
        default=[],
        metavar="NAME",
        help="only the files of --data whose attribute acquisition is among these: CORPDFS_FBK or PDFS, AXT2 or T2 ...",
    )
    group.add_argument(
        "--phantom",
        type=one_of((*PHANTOMS, *CT_PHANTOMS) if ct else PHANTOMS),
        nargs="+" if several else None,
        default=None if ct else "knee",
        metavar="FAMILY",
        help=f"built-in data: knee, brain, or head, a brain nearer to scans in its spectrum{words}",
    )


def add_views(group: _ArgumentGroup) -> None:
    """Add --views."""
    group.add_argument(
        "--views",
        type=integer(1),
        metavar="N",
        help="of CT: number of views of a sinogram, spread over 180 degrees; 50 for 512 pixels, in proportion, if not "
        "given",
    )


def phantom_of(given: str | None, method: str) -> str:
    """Return the family of the phantom: the given one, or that which suits the method."""
    return given or (PHANTOMS if KSPACE in METHODS.get(method, MethodLine("")).takes else CT_PHANTOMS)[0]


def check_findings(flag: str, phantom: str, data: str | None) -> None:
    """Check that the data may have boxes around findings.

    Args:
        flag: the flag that needs them.
        phantom: family of the phantom.
        data: path of the data, or None for the phantom.

    Raises:
        UsageError: no findings are drawn in the phantom.
    """
    if data is None and phantom not in WITH_FINDINGS:
        others = " or ".join(WITH_FINDINGS)
        raise UsageError(
            f"{flag}: the phantom {phantom} has no findings; use --phantom {others}, or name files with --data"
        )


def check_kind(method: str, phantom: str, data: str | None, views: int | None) -> None:
    """Check that a method can reconstruct the data, k-space or sinograms.

    Args:
        method: name of the method.
        phantom: family of the phantom.
        data: path of the data, or None for the phantom.
        views: number of views that is given, or None.

    Raises:
        UsageError: the flags contradict each other.
    """
    takes = METHODS.get(method, MethodLine("")).takes
    if data is None and (phantom in CT_PHANTOMS) not in [one == SINOGRAM for one in takes]:
        right = " or ".join(CT_PHANTOMS if KSPACE not in takes else PHANTOMS)
        raise UsageError(f"--phantom {phantom}: {method} reconstructs {takes[0]}; use --phantom {right}")
    if views is not None and SINOGRAM not in takes:
        raise UsageError(f"--views: {method} reconstructs {takes[0]}; leave the flag out")
    if views is not None and data is None and phantom in PHANTOMS:
        raise UsageError(f"--views: the phantom of a {phantom} is k-space; use --phantom {' or '.join(CT_PHANTOMS)}")


def add_accept(group: _ActionsContainer, words: str) -> None:
    """Add --accept.

    Args:
        group: the group of arguments.
        words: what else the flag does, for the help text.
    """
    group.add_argument(
        "--accept",
        type=criterion,
        action="append",
        default=[],
        metavar="CRITERION",
        help="bound that every image at every epsilon has to keep, in quotes: 'psnr_loss<3' on what the attack costs, "
        f"'ssim>0.8' on the score under attack; repeat the flag for several; exit code 1 if one is missed; {words}",
    )


def add_found(group: _ActionsContainer) -> None:
    """Add --data and --weights of a run that was computed elsewhere."""
    group.add_argument("--data", metavar="PATH", help="where the data of the run are now; its own path if not given")
    group.add_argument(
        "--weights", metavar="FILE", help="where the weights of the run are now; its own path if not given"
    )


def add_settings(group: _ActionsContainer, words: str) -> None:
    """Add --set.

    Args:
        group: the group of arguments.
        words: help text of the flag.
    """
    group.add_argument("--set", type=setting, nargs="+", action=NamedOnce, default=[], metavar="NAME=VALUE", help=words)


def add_shift(group: _ArgumentGroup) -> None:
    """Add --shift."""
    group.add_argument(
        "--shift",
        type=_shift,
        nargs="+",
        action=NamedOnce,
        default=[],
        metavar="NAME=SIZE",
        help="scans of another distribution: noise=4 = four times the noise in standard deviation; resolution=0.5 = "
        "half the rows and columns of k-space; contrast=2 = an exponent of the magnitude; motion=2 = the object moves "
        "by up to 2 pixels and degrees; thickness=3 = three neighbouring slices averaged",
    )


def _shift(text: str) -> tuple[str, float]:
    """Parse NAME=SIZE."""
    name, size = setting(text)
    return one_of(SHIFTS)(name), number(0)(size)


def in_order(shifts: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Return the shifts in the order in which they happen.

    Args:
        shifts: (name, size) of each shift.
    """
    return tuple(sorted(shifts, key=lambda one: SHIFTS.index(one[0])))


def add_sampling(group: _ArgumentGroup) -> None:
    """Add --mask, --acceleration and --center-fraction, which are None if they are not given.

    Args:
        group: the group of arguments.
    """
    group.add_argument(
        "--mask",
        type=one_of(MASKS),
        metavar="KIND",
        help=f"kind of mask: one of {', '.join(MASKS)}; if not given {RANDOM[0]}, or that of the method's publication "
        f"({', '.join(f'{name} {kind}' for name, kind in _published(0))})",
    )
    group.add_argument(
        "--acceleration",
        type=number(1),
        metavar="R",
        help=f"columns per measured column [-]; if not given {RANDOM[1]:g} "
        f"({', '.join(f'{name} {value:g}' for name, value in _published(1))})",
    )
    group.add_argument(
        "--center-fraction",
        type=number(0, 1, open_low=True),
        metavar="F",
        help=f"fully sampled share of the columns [-]; if not given {RANDOM[2]:g} "
        f"({', '.join(f'{name} {value:g}' for name, value in _published(2))})",
    )


def _published(place: int) -> list[tuple[str, Any]]:
    """The methods with another sampling than most, each with an entry of it."""
    return [(name, line.sampling[place]) for name, line in METHODS.items() if line.sampling != RANDOM]


def add_device(group: _ActionsContainer, more: str = "") -> None:
    """Add --device and --precision.

    Args:
        group: the group of arguments.
        more: a further value of --precision, with its meaning, as "NAME = words".
    """
    group.add_argument(
        "--device",
        type=one_of(DEVICES),
        default="auto",
        metavar="D",
        help=f"device to compute on: one of {', '.join(DEVICES)}",
    )
    further = (more.partition(" = ")[0],) if more else ()
    group.add_argument(
        "--precision",
        type=one_of((*PRECISIONS, *further)),
        default="default",
        metavar="TYPE",
        help="products and convolutions of networks: default = as the device does them fast, in TF32 on GPUs and "
        "bfloat16 on TPUs; float32 = in full" + (f"; {more}" if more else "") + "; all else is in full float32",
    )


def add_json(group: _ActionsContainer, words: str = "one JSON object instead of the table") -> None:
    """Add --json.

    Args:
        group: the group of arguments.
        words: what is printed, in place of what, for the help text.
    """
    group.add_argument("--json", action="store_true", help=f"print {words}")


def add_debug(group: _ActionsContainer) -> None:
    """Add --debug."""
    group.add_argument("--debug", action="store_true", help="show tracebacks")


def add_batch(group: _ActionsContainer) -> None:
    """Add --batch, which is 0 for as many slices as fit, and None if it is not given."""
    group.add_argument(
        "--batch",
        type=lambda text: 0 if text == "auto" else integer(1)(text),
        metavar="N",
        help="slices of one shape at once on each device, or auto: as many as its memory holds, by the compiler's "
        "estimate, but 1 on the CPU, where more gain nothing; auto if not given",
    )


def add_processes(group: _ArgumentGroup, words: str) -> None:
    """Add --distributed and the flags that describe the processes.

    Args:
        group: the group of arguments.
        words: the share of each process in the work, for the help text.
    """
    group.add_argument(
        "--distributed",
        action="store_true",
        help=f"run as several processes, on one machine or many, {words}; Slurm, Open MPI, Kubernetes or a TPU pod has "
        "started them, or the next three flags describe them",
    )
    group.add_argument(
        "--coordinator", type=address, metavar="HOST:PORT", help="machine of process 0, and a free port on it"
    )
    group.add_argument("--processes", type=integer(1), metavar="N", help="number of processes")
    group.add_argument("--process", type=integer(0), metavar="I", help="index of this process, from 0 to N - 1")


def meeting(arguments: Namespace) -> Meeting:
    """Return the meeting that the flags of `add_processes` describe."""
    return Meeting(arguments.distributed, arguments.coordinator, arguments.processes, arguments.process)


def in_common(arguments: Namespace) -> dict[str, str]:
    """Return the flags that must be the same for all processes, by name."""
    return {f"--{name}": repr(value) for name, value in sorted(vars(arguments).items()) if name not in _MAY_DIFFER}


def unattacked(arguments: Namespace, **fields: Any) -> RunConfig:
    """Return the configuration of a run that scores clean reconstructions.

    Args:
        arguments: arguments with the flags of `add_data` and `add_sampling`.
        fields: values of other fields that differ from the defaults.
    """
    return RunConfig(**({"attack": "noise", "eps": (0.0,)} | of_data(arguments) | fields))


def of_data(arguments: Namespace) -> dict[str, Any]:
    """Return the fields of a `RunConfig` that the flags of `add_data` and `add_sampling` give.

    Args:
        arguments: the arguments; what is not given is left out, so that the configuration has its defaults.
    """
    names = ("data", "phantom", "mask", "acceleration", "center_fraction")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return given | {"acquisition": tuple(arguments.acquisition)}
