"""Ship trained weights: python -m bench.cards varnet-phantom-knee=runs/RUN copies them and writes all model cards."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from bench.figures.drawing import draw_into
from bench.plan.errors import DONE, InputFileError, OutputError
from bench.shell.arguments import Parser, setting
from bench.shell.command import execute
from data_prep.process import as_process
from data_prep.whole import whole_file

_SHIPPED = Path(__file__).resolve().parents[1] / "jaxcs" / "weights" / "shipped"
_HEAD = """# Shipped weights

Written by `python -m bench.cards` from the cards inside the files. SSIM and PSNR are those of the validation images,
each with the mask that its name gives. Parameters are stored in float16 and computed with in float32.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.cards", "free some memory", _work, sys.argv[1:] if argv is None else argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.cards",
        examples=(
            "",
            "unet-phantom-knee=runs/RUN",
        ),
        description=__doc__,
    )
    made.add_argument(
        "runs",
        type=setting,
        nargs="*",
        metavar="NAME=RUN",
        help="weights to ship: their name, and a folder of bench.train",
    )
    made.add_argument("--debug", action="store_true", help="show tracebacks")
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
    import jax

    from data_prep.weights import read_weights, shipped

    text = _HEAD
    for name, path in shipped().items():
        weights = read_weights(path)
        card, count = weights.card, sum(leaf.size for leaf in jax.tree.leaves(weights.params))
        scores = card["validation"]
        text += f"""
## {name}

| | |
|---|---|
| network | {weights.method}, {", ".join(f"{key} {value}" for key, value in card["config"].items() if value)} |
| parameters | {count:,} |
| data | {card["data"]} |
| command | `{card["command"]}` |
| chosen | step {card["step"]}: validation SSIM {scores["ssim"]:.4f}, PSNR {scores["psnr"]:.2f} dB |
| licence | {card["licence"]} |
| sha256 of the tensors | `{card["sha256"]}` |

![training loss and validation SSIM against the step]({name}.png)
"""
    return text


def _write(path: Path, content: bytes) -> None:
    try:
        with whole_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


if __name__ == "__main__":
    as_process(main)
