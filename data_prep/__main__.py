"""Scanner data in: python -m data_prep SOURCE RAW OUT converts RAW to files that bench.attack --data reads.

python -m data_prep check DIR checks such files.  python -m data_prep maps DIR estimates their coil maps in advance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from data_prep.cases import InputError
from data_prep.ending import Failure, in_one_line
from data_prep.process import EXIT_OUTPUT, as_process, reader_left

if TYPE_CHECKING:
    from data_prep.layout import Volume

_PHANTOMS = 10
_CONTRASTS = ("t1", "t2", "pd", "flair")
_EXIT_DONE, _EXIT_PROBLEMS, _EXIT_USAGE, _EXIT_INPUT = 0, 1, 2, 3
_ROOM = "give a folder that can be written to"
_Arguments = argparse.Namespace


class _UsageError(Exception):
    """A mistake on the command line."""


class _OutputError(Exception):
    """A folder or a disk that cannot be written."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} (see {self.prog} --help)")


def reader(module: str) -> Callable[[_Arguments], Iterator[Volume]]:
    """Return the reader of a source whose file has `volumes(path)`, imported if it is needed: JAX takes seconds."""
    return lambda arguments: import_module(module).volumes(Path(arguments.raw))


def _fastmri(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import boxes, fastmri

    path = Path(arguments.raw)
    if arguments.boxes is None:
        return fastmri.volumes(path)
    found = boxes.read_boxes(arguments.boxes, fastmri.image_shapes(path).get, arguments.widen_boxes)
    print(f"{arguments.boxes}: {found.counts()}", flush=True)
    return (volume._replace(boxes=volume.boxes + found.of_volume(volume.name)) for volume in fastmri.volumes(path))


def _images(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import image_source

    maps = None if arguments.maps is None else Path(arguments.maps)
    return image_source.volumes(Path(arguments.raw), maps, arguments.snr)


def _brainweb(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import brainweb

    return brainweb.volumes(Path(arguments.raw), arguments.split, _contrasts(arguments), arguments.slices)


def _colin27(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import colin27

    return colin27.volumes(Path(arguments.raw), arguments.draw, arguments.slices)


def _icbm152(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import icbm152

    return icbm152.volumes(Path(arguments.raw), _contrasts(arguments), arguments.slices)


def _contrasts(arguments: _Arguments) -> tuple[str, ...]:
    """The contrasts that are wanted, none if they are drawn."""
    if arguments.draw and arguments.contrast is not None:
        raise _UsageError("--draw: draws the contrast of each slice; leave --contrast out")
    return () if arguments.draw else tuple(arguments.contrast or _CONTRASTS)


def _stanford(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import stanford

    return stanford.volumes(Path(arguments.raw), arguments.fix)


def _phantom(arguments: _Arguments) -> Iterator[Volume]:
    from data_prep import phantom
    from data_prep.layout import Volume

    for index in range(_PHANTOMS):
        case = phantom.case(arguments.raw, "test", index)
        yield Volume(
            case.volume,
            case.kspace[None],
            crop=(case.target.shape[0], case.target.shape[1]),
            acquisition=f"phantom {arguments.raw}",
            notes=("drawn, not measured",),
        )


# The reader of each source, and a description of RAW.
SOURCES: dict[str, tuple[Callable[[_Arguments], Iterator[Volume]], str]] = {
    "bart": (reader("data_prep.bart"), "a .cfl and .hdr pair, or a folder of them"),
    "brainweb": (_brainweb, "BrainWeb's tissue maps, subjectNN_crisp_v.rawb.gz or HDF5, a file or a folder"),
    "colin27": (
        _colin27,
        "the folder of one subject's T1 image, fetched out of the Debian package mricron-data (16 MB) if not there",
    ),
    "fastmri": (_fastmri, "a file of fastMRI's layout, or a folder of them: knee or brain, with or without truth"),
    "icbm152": (
        _icbm152,
        "the folder of a mean head's tissue maps, fetched out of the Python package nilearn (12 MB) if not there",
    ),
    "images": (_images, "complex or magnitude images, HDF5 (.h5) or NIfTI (.nii, .nii.gz), or a folder of such files"),
    "ismrmrd": (reader("data_prep.ismrmrd"), "an ISMRMRD raw file (.h5) of a Cartesian scan"),
    "phantom": (_phantom, "knee, brain or head: the ten test images of the built-in phantom"),
    "pyqmri": (
        reader("data_prep.pyqmri"),
        "the folder of an archive of 86 MB, a measured brain, which is fetched if it is not there",
    ),
    "stanford": (_stanford, "a fully sampled 3-D knee of mridata.org, an ISMRMRD file"),
}


EXAMPLES = ("check /path/to/fastmri", "bart scans/ files/ --coils 8", "pyqmri downloads/ brain/")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    found = _Parser(
        prog="python -m data_prep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n" + "".join(f"  python -m data_prep {example}\n" for example in EXAMPLES),
    )
    commands = found.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, raw) in SOURCES.items():
        command = commands.add_parser(name, help=raw, description=f"RAW is {raw}.")
        command.set_defaults(run=_convert, writes="OUT")
        command.add_argument("raw", metavar="RAW", help=raw)
        command.add_argument("out", metavar="OUT", type=Path, help="folder to write to, one file a volume")
        words = "make the coils' noise uncorrelated and alike, by the noise of the images' background"
        command.add_argument("--whiten", action="store_true", help=words)
        words = "compress the coils to at most this many virtual ones"
        command.add_argument("--coils", type=_positive, metavar="N", help=words)
        if name == "stanford":
            words = (
                "how slices get fastMRI's sampling density: zeros around the image, or the ICML 2021 paper's repetition"
            )
            command.add_argument("--fix", choices=("none", "published", "principled"), default="none", help=words)
        if name == "brainweb":
            words = "subjects: 1 to 13 train, 14 and 15 validation, 16 to 20 test (default: test)"
            command.add_argument("--split", choices=("train", "validation", "test"), default="test", help=words)
        if name in ("brainweb", "icbm152"):
            words = "contrasts, a volume each, of t1, t2, pd and flair (default: all)"
            command.add_argument("--contrast", nargs="+", choices=_CONTRASTS, metavar="NAME", help=words)
        if name in ("brainweb", "colin27", "icbm152"):
            words = "axial slices of a volume (default: 10)"
            command.add_argument("--slices", type=_positive, default=10, metavar="N", help=words)
            words = "draw pose, contrast, coils, phase and noise of each slice at random, to train networks on"
            command.add_argument("--draw", action="store_true", help=words)
        if name == "images":
            words = "coil maps to use, an HDF5 file with maps (coil, ny, nx) and perhaps noise_covariance (coil, coil)"
            command.add_argument("--maps", metavar="FILE", help=f"{words}; if not given, eight coils are simulated")
            words = "signal over noise [-], inf for no noise; if not given, it is drawn from 30 to 40 for each image"
            command.add_argument("--snr", type=_ratio, metavar="S", help=words)
        if name == "fastmri":
            words = "radiologists' boxes, such as fastMRI+'s: a CSV file with file, slice, x, y, width and height"
            command.add_argument("--boxes", metavar="CSV", help=words)
            words = "widen boxes of no width or height to this many pixels; if not given, they are dropped"
            command.add_argument("--widen-boxes", type=_positive, metavar="N", help=words)
    words = "list the volumes of a folder with everything that is wrong with them"
    command = commands.add_parser("check", help=words, description=words.capitalize() + ".")
    command.set_defaults(run=_check, writes=None)
    command.add_argument("folder", metavar="DIR", help="a folder of fastMRI's layout, or one file")
    words = "compare spectrum, sparsity and contrast of images with those of the built-in phantoms"
    command = commands.add_parser("statistics", help=words, description=words.capitalize() + ".")
    command.set_defaults(run=_statistics, writes=None)
    command.add_argument("data", metavar="DATA", help="a folder or file that bench.attack --data takes")
    words = "estimate the coil maps of a folder and keep them for bench.attack"
    command = commands.add_parser("maps", help=words, description=words.capitalize() + ".")
    command.set_defaults(run=_maps, writes="the cache, $XDG_CACHE_HOME or ~/.cache")
    command.add_argument("folder", metavar="DIR", help="a folder of fastMRI's layout, or one file")
    words = "share of the columns that the masks to come sample fully [-]; default 0.08"
    command.add_argument("--center-fraction", type=_share, default=0.08, metavar="F", help=words)
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show tracebacks")
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: arguments of the command; None takes `sys.argv`.

    Returns:
        The exit code, as in bench.attack, except that 1 means: done, with problems.
    """
    words = sys.argv[1:] if argv is None else argv
    advice = "give fewer slices at once, or use a machine with more memory"
    return in_one_line("data_prep", lambda: _work(words), _explained, advice, debug="--debug" in words)


def _work(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except OSError as error:
        if arguments.writes is None:
            raise
        # Some errors of NumPy and HDF5 have no file name, and only a message.
        raise _OutputError(f"{error.filename or arguments.writes}: {error.strerror or error}; {_ROOM}") from error
    return code


def _explained(error: BaseException) -> Failure | None:
    if isinstance(error, _UsageError):
        return Failure(str(error), _EXIT_USAGE)
    if isinstance(error, InputError):
        return Failure(str(error), _EXIT_INPUT)
    return Failure(str(error), EXIT_OUTPUT) if isinstance(error, _OutputError) else None


def _convert(arguments: _Arguments) -> int:
    from data_prep.layout import size_in_words, write_volume

    read, _ = SOURCES[arguments.command]
    raw = Path(arguments.raw)
    written = set()
    for measured in read(arguments):
        volume = _combined(measured, arguments)
        if volume.name in written:
            raise InputError(f"{raw}: two volumes are named {volume.name}; give the files other names")
        written.add(volume.name)
        older = arguments.out / f"{volume.name}.h5"
        if older.exists() and raw.exists() and (older.samefile(raw) or older.parent.samefile(raw)):
            raise _UsageError(f"OUT holds RAW's own {older.name}, which would be replaced; give another folder")
        path = write_volume(arguments.out, volume)
        print(f"{path}: {size_in_words(*volume.kspace.shape)}", flush=True)
    return _EXIT_DONE


def _combined(volume: Volume, arguments: _Arguments) -> Volume:
    from data_prep.combine import compressed, whitened

    if arguments.whiten:
        volume = whitened(volume)
    return volume if arguments.coils is None else compressed(volume, arguments.coils)


def _check(arguments: _Arguments) -> int:
    from data_prep.check import check

    problems = 0
    for line in check(arguments.folder):
        if reader_left():  # the list is the only result
            break
        problems += line.problem
        print(f"problem: {line.text}" if line.problem else line.text, flush=True)
    return _EXIT_PROBLEMS if problems else _EXIT_DONE


def _statistics(arguments: _Arguments) -> int:
    from data_prep.statistics import table

    for line in table(arguments.data):
        print(line, flush=True)
    return _EXIT_DONE


def _maps(arguments: _Arguments) -> int:
    from data_prep.maps import cache_folder, fill

    filled = fill(arguments.folder, arguments.center_fraction)
    for problem in filled.problems:
        print(f"problem: {problem}")
    print(f"{filled.written} new maps in {cache_folder()}, {filled.kept} were there")
    return _EXIT_PROBLEMS if filled.problems else _EXIT_DONE


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _ratio(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be over 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be over 0 and at most 1")
    return value


if __name__ == "__main__":
    as_process(main)
