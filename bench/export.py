"""Write a method as StableHLO that runs without this project: python -m bench.export --method l1 --shape 8 160 128 ...

The folder then holds the reconstruction and one attack step for CPU, CUDA and TPU, which `jax.export.deserialize`
loads, and manifest.json, which says what goes in and what comes out.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.shell.arguments import Parser, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import add_settings
from data_prep.process import as_process
from data_prep.whole import remove_left, whole_folder

# Un-trained networks fit for minutes to each measurement, and are not deployed.
METHODS = ("l1", "unet", "varnet")
_MANIFEST = "manifest.json"


def parser() -> Parser:
    """The command's arguments."""
    top = Parser(
        prog="python -m bench.export",
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
        help="of a network: a file of bench.train, a fastMRI checkpoint, or the name of shipped ones; "
        "if not given, those for the phantom's knee",
    )
    top.add_argument("--preset", metavar="NAME", help="named configuration of the method: rc2021 (l1)")
    add_settings(
        top,
        "change the method's configuration, such as lam=0.005",
    )
    top.add_argument(
        "--shape",
        type=integer(1),
        nargs=3,
        required=True,
        metavar=("COILS", "ROWS", "COLUMNS"),
        help="of the k-space of one slice; any number of slices is a batch",
    )
    top.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="is made; must not exist")
    top.add_argument("--debug", action="store_true", help="show tracebacks")
    top.set_defaults(device="auto")
    return top


def run(arguments: Namespace) -> None:
    """Lower the method, write its folder and print what is in it.  Raises RunError."""
    if find_spec("flatbuffers") is None:
        raise UsageError("flatbuffers is not installed, in which JAX writes StableHLO; pip install 'jaxcs[export]'")
    from bench.deploy.artefacts import artefacts, file_name, lower, manifest
    from bench.evaluate import methods  # imports JAX
    from bench.record.provenance import about_settings, settings, versions
    from bench.record.records import writing
    from bench.slices.sources import check_device

    check_device(arguments.device)
    config = RunConfig(
        arguments.method, preset=arguments.preset, settings=tuple(arguments.set), weights=arguments.weights
    )
    trained = methods.weights(config)
    method_config = methods.configuration(config, trained)
    params = {} if trained is None else trained.params
    shape = (arguments.shape[0], arguments.shape[1], arguments.shape[2])
    try:
        found = artefacts(methods.entry(config.method).build(method_config), params, shape)
    except ValueError as error:
        raise UsageError(f"--shape {' '.join(map(str, shape))}: {error}; {config.method} needs larger ones") from error
    output: Path = arguments.output
    # Before the minute that lowering may take.
    with writing(output):
        if os.path.lexists(output):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        remove_left(output.parent)
    with writing(output), whole_folder(output) as folder:
        for note in about_settings():
            print(f"note: {note}", file=sys.stderr)
        lowered = {name: lower(one) for name, one in found.items()}
        files = {name: bytes(one.serialize()) for name, one in lowered.items()}
        for name, content in files.items():
            (folder / file_name(name)).write_bytes(content)
        about = {
            "method": config.method,
            "config": asdict(method_config),
            "maps": methods.without_maps(config, method_config) or "used",
            "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
            "versions": {name: versions()[name] for name in ("jaxcs", "jax", "jaxlib")} | settings(),
        }
        text = json.dumps(about | manifest(found, lowered, files), indent=2) + "\n"
        (folder / _MANIFEST).write_text(text, encoding="utf-8")
    for name, content in files.items():
        print(f"{output / file_name(name)}: {len(content) / 1e6:.2f} MB for {', '.join(lowered[name].platforms)}")
    print(f"{output / _MANIFEST}: arguments, results, scaling and hashes")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        del argv
        run(arguments)
        return 0

    advice = "use fewer coils or a smaller network"
    return execute(parser(), "bench.export", advice, work, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    as_process(main)
