"""Reconstruct data to files: python -m bench.reconstruct --method l1 --data DIR --output FOLDER.

The command makes FOLDER/clean with a file for each volume, in the layout of fastMRI's submissions or in other formats.
With --noise and --perturbations it makes further folders, with the same images of perturbed data.  FOLDER has a record
of what made them, reconstruction.json.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.plan.config import RunConfig
from bench.plan.errors import DONE, SOME_FAILED, UsageError
from bench.shell.arguments import Parser, flags_besides, integer, number, one_of
from bench.shell.command import execute
from bench.shell.flags import (
    add_batch,
    add_data,
    add_debug,
    add_device,
    add_json,
    add_sampling,
    add_shift,
    add_views,
    check_kind,
    in_order,
    phantom_of,
    unattacked,
)
from bench.shell.method_flags import add_method, add_method_settings, add_preset, add_weights
from data_prep.image_formats import FORMATS
from data_prep.process import as_process

# Flags that may stand beside --perturbations, whose run decides the rest.
_BESIDE_PERTURBATIONS = (
    "--perturbations", "--method", "--preset", "--set", "--weights", "--noise", "--format", "--output", "--device",
    "--batch", "--precision", "--json", "--debug",
)  # fmt: skip


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.reconstruct",
        examples=(
            "--method l1 --limit 2 --output images",
            "--method varnet --weights FILE --data multicoil_test/ --output submission",
            "--method fbp --phantom thorax --views 24 --limit 2 --output thorax",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = top.add_argument_group("what")
    add_method(what, "l1 if not given, or the method of --perturbations with its settings")
    add_preset(what)
    add_method_settings(what)
    add_weights(what)
    what.add_argument(
        "--noise",
        type=number(0, open_low=True),
        nargs="+",
        default=[],
        metavar="EPS",
        help="also reconstruct the data with noise of these norms, relative to the data [-]: the noise that "
        "bench.attack sets beside an attack",
    )
    what.add_argument(
        "--perturbations",
        metavar="RUN",
        help="also reconstruct the data with the perturbations of this run of bench.attack --save-perturbations; the "
        "run decides the data and their sampling",
    )
    data = top.add_argument_group("data")
    add_data(data, ct=True)
    add_sampling(data)
    add_views(data)
    add_shift(data)
    data.add_argument("--only", metavar="FILE", help="use only the cases of this CSV list, such as of bench.hardest")
    data.add_argument(
        "--limit",
        type=integer(1),
        metavar="N",
        help="number of slices to use; if not given, all of --data or --only, or the first 10 of the phantom (2 if an "
        "image takes long)",
    )
    run = top.add_argument_group("run")
    run.add_argument(
        "--seed", type=integer(0), default=0, metavar="N", help="seed of noise and of networks that are drawn"
    )
    add_device(run)
    add_batch(run)
    output = top.add_argument_group("output")
    formats = "; ".join(f"{name} = {one.words}" for name, one in FORMATS.items())
    output.add_argument(
        "--format",
        type=one_of(tuple(FORMATS)),
        nargs="+",
        default=["h5"],
        metavar="F",
        help=f"formats of the files: {formats}; h5 if not given",
    )
    output.add_argument("--output", required=True, metavar="FOLDER", help="folder to make; it must not exist")
    add_json(output, "the record instead of the table")
    add_debug(output)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.reconstruct", "use a smaller --batch or fewer coils", _work, argv)


def _work(arguments: Namespace, argv: list[str]) -> int:
    for name in arguments.format:
        missing = FORMATS[name].missing()
        if missing is not None:
            raise UsageError(f"--format {name}: {missing}")
    from bench.run.finish import count
    from bench.run.reconstruction import ReconstructionConfig, reconstruct, table  # these import JAX

    config = ReconstructionConfig(
        _of_data(arguments) if arguments.perturbations is None else _of_run(arguments, argv),
        tuple(sorted(set(arguments.noise))),
        arguments.perturbations,
        tuple(dict.fromkeys(arguments.format)),
    )
    record = reconstruct(config, Path(arguments.output), arguments.device, argv, arguments.batch)
    text = json.dumps(record) if arguments.json else table(record)
    if text:
        print(text)
    print(
        f"{count(record['images'])} in {record['seconds']:.0f} s; files and record in {arguments.output}",
        file=sys.stderr,
    )
    for reason in record["failed"].values():
        print(f"failed: {reason}", file=sys.stderr)
    return SOME_FAILED if record["failed"] else DONE


def _of_data(arguments: Namespace) -> RunConfig:
    """The configuration that the flags give."""
    method = arguments.method or "l1"
    arguments.phantom = phantom_of(arguments.phantom, method)
    check_kind(method, arguments.phantom, arguments.data, arguments.views)
    return unattacked(
        arguments,
        method=method,
        views=arguments.views,
        **_configured(arguments),
        shift=in_order(arguments.shift),
        only=arguments.only,
        limit=arguments.limit,
        seed=arguments.seed,
    )


def _of_run(arguments: Namespace, argv: list[str]) -> RunConfig:
    """The configuration of the run of --perturbations, with the method that the flags give."""
    from bench.record.stored import stored  # imports NumPy

    others = flags_besides(argv, _BESIDE_PERTURBATIONS)
    if others:
        raise UsageError(f"{others[0]}: the run {arguments.perturbations} decides it; leave the flag out")
    before = stored(Path(arguments.perturbations))
    run = before.plan.config
    configured = _configured(arguments)
    if arguments.method is None and any(configured.values()):
        raise UsageError("--preset, --set and --weights: name the method too, by --method")
    if arguments.method is None and (run.several or run.networks):
        raise UsageError(f"--method: the run {arguments.perturbations} is of several methods; name one")
    if arguments.method is not None:
        run = replace(run, method=arguments.method, beside=(), networks=(), **configured)
    # Nothing is searched.  The number of images is that of the run, whatever the method.
    return replace(run.unsearched(), victims=(), eps=(0.0,), limit=before.record.images)


def _configured(arguments: Namespace) -> dict[str, Any]:
    return {"preset": arguments.preset, "settings": tuple(arguments.set), "weights": arguments.weights}


if __name__ == "__main__":
    as_process(main)
