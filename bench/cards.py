"""Ship trained weights: python -m bench.cards varnet-phantom-knee=runs/RUN copies them and writes all model cards."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.figures.drawing import draw_into
from bench.plan.errors import DONE, InputFileError, OutputError
from bench.shell.arguments import Parser, setting
from bench.shell.command import execute
from bench.shell.flags import add_debug
from data_prep.process import as_process
from data_prep.whole import whole_file
from jaxcs.catalogue import KSPACE, METHODS

_ROOT = Path(__file__).resolve().parents[1]
_SHIPPED = _ROOT / "jaxcs" / "weights" / "shipped"
_RECORDS = _ROOT / "docs" / "records"
_HEAD = """# Shipped weights

Written by `python -m bench.cards` from the cards inside the files and the records in `docs/records/`. SSIM and PSNR of
the step that was chosen are those of the validation images, each with the mask that its name gives. Parameters are
stored in float16 and computed with in float32.

**Intended use.** Research into how reconstructions fail: targets of attacks, baselines of comparisons, starts of
trainings. Not for diagnosis, nor for any other clinical use; no part of them was made or checked for it.

**Limits.** The networks are small, take 2-D Cartesian slices or sinograms, and have seen one kind of image and one kind
of mask each, as their tables say. On other images, contrasts, scanners, masks and coils they can be worse than
zero-filling, and can show what is not there. A small change of the data that is chosen to harm costs them the decibels
that the second table of a card has. An attack proves no worst case: worse may exist. A network without a second table
has not been measured under attack.

**Packages.** The networks whose training images state no licence are in the repository and in no package: an installed
`jaxcs` has their cards alone, and says so if it is asked for them. Train a network on images whose terms you know.
"""
# The terms of data that are no file.
_DRAWN = "none: the phantoms are drawn by this project"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.cards", "free some memory", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(prog="python -m bench.cards", examples=("", "unet-phantom-knee=runs/RUN"), description=__doc__)
    made.add_argument(
        "runs",
        type=setting,
        nargs="*",
        metavar="NAME=RUN",
        help="weights to ship: their name, and a folder of bench.train",
    )
    add_debug(made)
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.record.records import RunFolder  # imports NumPy

    for name, run in arguments.runs:
        try:
            content = (Path(run) / "weights.safetensors").read_bytes()
            (Path(run) / "log.jsonl").read_bytes()
        except OSError as error:
            raise InputFileError(f"{run}: {error.strerror}; name a folder of bench.train") from error
        _write(_SHIPPED / f"{name}.safetensors", content)
        draw_into(RunFolder(_SHIPPED), f"{name}.png", "training_curve", Path(run), again="the same command")
    _write(_SHIPPED / "README.md", cards().encode())
    return DONE


def cards() -> str:
    """Return the text of all model cards."""
    from data_prep.weights import shipped  # imports JAX

    return _HEAD + "".join(_card(name, path) for name, path in shipped().items())


def _card(name: str, path: Path) -> str:
    """Return the section of one network.

    Raises:
        InputFileError: a record cannot be read.
    """
    import jax

    from bench.findings.worst_case import worst_case
    from data_prep.weights import read_weights

    weights = read_weights(path)
    card, count = weights.card, sum(leaf.size for leaf in jax.tree.leaves(weights.params))
    scores, training = card["validation"], card["training"]
    licence, _, terms = card["licence"].partition("; ")
    sizes = ", ".join(f"{coils} coil{'s' * (coils != 1)} of {ny} x {nx}" for coils, ny, nx in card["shapes"])
    seen = f"{sizes}; {training['mask']} masks of acceleration {training['acceleration']:g}"
    if KSPACE not in METHODS[weights.method].takes:
        seen = "sinograms of " + ", ".join(
            f"{views} views by {detectors} detectors" for _, detectors, views in card["shapes"]
        )
    text = f"""
## {name}

| | |
|---|---|
| network | {weights.method}, {", ".join(f"{key} {value}" for key, value in card["config"].items() if value)} |
| parameters | {count:,} |
| data | {card["data"]} |
| terms of the data | {terms or (_DRAWN if training["data"] is None else "not stated")} |
| has seen | {seen} |
| command | `{card["command"]}` |
| chosen | step {card["step"]}: validation SSIM {scores["ssim"]:.4f}, PSNR {scores["psnr"]:.2f} dB |
| licence of the weights | {licence} |
| sha256 of the tensors | `{card["sha256"]}` |
| sha256 of the file | `{weights.sha256}` |

![training loss and validation SSIM against the step]({name}.png)
"""
    attacked = worst_case(_RECORDS, weights.sha256)
    return text if attacked is None else f"{text}\n{attacked}\n"


def _write(path: Path, content: bytes) -> None:
    try:
        with whole_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


if __name__ == "__main__":
    as_process(main)
