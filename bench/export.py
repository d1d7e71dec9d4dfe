"""Write a method as StableHLO that runs without this project: python -m bench.export --method l1 --shape 8 160 128 ...

The folder holds the reconstruction and one attack step, each for CPU, CUDA and TPU; `jax.export.deserialize` loads
them.  Its manifest.json describes their arguments and results.
"""

from __future__ import annotations

from argparse import Namespace, RawDescriptionHelpFormatter
from importlib.util import find_spec
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import Parser, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import add_debug, add_settings
from data_prep.process import as_process

# Un-trained networks are not deployed, because they are fitted to each measurement for minutes.
METHODS = ("l1", "unet", "varnet")


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.export",
        examples=(
            "--method l1 --shape 8 160 128 --output l1-exported",
            "--method varnet --weights FILE --shape 15 640 368 --output varnet-exported",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument(
        "--method", type=one_of(METHODS), required=True, metavar="NAME", help=f"one of {', '.join(METHODS)}"
    )
    top.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of a network: a file of bench.train, a fastMRI checkpoint, or the name of shipped weights; "
        "if not given, the shipped weights for the phantom's knee",
    )
    top.add_argument("--preset", metavar="NAME", help="named configuration of the method: rc2021 (l1)")
    add_settings(top, "change the method's configuration, such as lam=0.005")
    top.add_argument(
        "--shape",
        type=integer(1),
        nargs=3,
        required=True,
        metavar=("COILS", "ROWS", "COLUMNS"),
        help="shape of the k-space of one slice; a batch may have any number of slices",
    )
    top.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to make; it must not exist")
    add_debug(top)
    top.set_defaults(device="auto")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        del argv
        if find_spec("flatbuffers") is None:
            raise UsageError(
                "flatbuffers is not installed, but JAX needs it to write StableHLO; pip install 'jaxcs[export]'"
            )
        from bench.deploy.folder import write  # these import JAX
        from bench.slices.sources import check_device

        check_device(arguments.device)
        config = RunConfig(
            arguments.method, preset=arguments.preset, settings=tuple(arguments.set), weights=arguments.weights
        )
        write(config, tuple(arguments.shape), arguments.output)
        return DONE

    return execute(parser(), "bench.export", "use fewer coils or a smaller network", work, argv)


if __name__ == "__main__":
    as_process(main)
