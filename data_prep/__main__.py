"""Scanner data in: python -m data_prep SOURCE RAW OUT writes what RAW holds as files that bench.attack --data takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from data_prep.cases import InputError
from data_prep.layout import Volume, write_volume

_PHANTOMS = 10
_EXIT_USAGE, _EXIT_INPUT, _EXIT_OUTPUT = 2, 3, 4


class _UsageError(Exception):
    """A mistake on the command line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} (see {self.prog} --help)")


# JAX takes seconds to import: each source is imported when it is asked for.
def _bart(arguments: argparse.Namespace) -> Iterator[Volume]:
    from data_prep import bart

    return bart.volumes(Path(arguments.raw))


def _ismrmrd(arguments: argparse.Namespace) -> Iterator[Volume]:
    from data_prep import ismrmrd

    return ismrmrd.volumes(Path(arguments.raw))


def _stanford(arguments: argparse.Namespace) -> Iterator[Volume]:
    from data_prep import stanford

    return stanford.volumes(Path(arguments.raw), arguments.fix)


def _phantom(arguments: argparse.Namespace) -> Iterator[Volume]:
    from data_prep import phantom

    for index in range(_PHANTOMS):
        case = phantom.case(arguments.raw, "test", index)
        yield Volume(
            case.volume,
            case.kspace[None],
            crop=(case.target.shape[0], case.target.shape[1]),
            acquisition=f"phantom {arguments.raw}",
            notes=("drawn, not measured",),
        )


# What each is read by, and what RAW is.
SOURCES: dict[str, tuple[Callable[[argparse.Namespace], Iterator[Volume]], str]] = {
    "bart": (_bart, "a .cfl and .hdr pair, or a folder of them"),
    "ismrmrd": (_ismrmrd, "an ISMRMRD raw file (.h5) of a Cartesian scan"),
    "phantom": (_phantom, "knee or brain: the ten test images of the built-in phantom"),
    "stanford": (_stanford, "a fully sampled 3-D knee of mridata.org, an ISMRMRD file"),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = _Parser(prog="python -m data_prep", description=__doc__)
    commands = found.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for name, (_, raw) in SOURCES.items():
        command = commands.add_parser(name, help=raw, description=f"RAW is {raw}.")
        command.add_argument("raw", metavar="RAW", help=raw)
        command.add_argument("out", metavar="OUT", type=Path, help="folder to write to, one file a volume")
        if name == "stanford":
            words = (
                "how slices get fastMRI's sampling density: zeros around the image, or the ICML 2021 paper's repetition"
            )
            command.add_argument("--fix", choices=("none", "published", "principled"), default="none", help=words)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 2 usage, 3 bad input, 4 output."""
    try:
        arguments = parser().parse_args(argv)
        read, _ = SOURCES[arguments.source]
        for volume in read(arguments):
            path = write_volume(arguments.out, volume)
            slices, coils, ny, nx = volume.kspace.shape
            print(f"{path}: {slices} slices of {coils} coils, {ny} x {nx}", flush=True)
    except _UsageError as error:
        return _fail(str(error), _EXIT_USAGE)
    except InputError as error:
        return _fail(str(error), _EXIT_INPUT)
    except OSError as error:
        return _fail(f"{error.filename or 'OUT'}: {error.strerror}; give a folder that can be written to", _EXIT_OUTPUT)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"data_prep: error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
