"""Print BibTeX for the publications that a run rests on: python -m bench.cite RUN [RUN ...].

It prints an entry for this project, and an entry for each publication about the methods, coil maps, attacks, protocol
and data of the runs.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.plan.errors import DONE
from bench.plan.references import REFERENCES, bibtex, used
from bench.shell.arguments import HelpFormatter, Parser
from bench.shell.command import execute
from bench.shell.flags import add_debug
from data_prep.process import as_process

_PROJECT = """@software{{jaxcs,
  author = {{The jaxcs authors}},
  title = {{jaxcs: how far can an {{MRI}} reconstruction be trusted?}},
  version = {{{version}}}
}}"""


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.cite", "name fewer runs", _work, argv)


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.cite",
        examples=("runs/RUN", "runs/UNET runs/L1 > references.bib"),
        description=__doc__,
        formatter_class=HelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders of bench.attack, finished or not")
    add_debug(made)
    # Entries are made from records; there is no device to choose.
    made.set_defaults(device="auto")
    return made


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.record.run_record import read_run

    keys: dict[str, None] = {}
    versions: dict[str, None] = {}
    for folder in arguments.runs:
        run = read_run(Path(folder))
        config = run.config
        methods = [one["method"] for one in run.methods.values()] or [config["method"]]
        attacks = list(dict.fromkeys(row["attack"] for row in run.summary if "attack" in row)) or [
            config.get("attack", "")
        ]
        settings = {name for one in run.methods.values() for name in one["config"]}
        keys |= dict.fromkeys(used(methods, attacks, config.get("like"), bool(config.get("data")), settings))
        versions |= dict.fromkeys([run.versions.get("jaxcs", "")])
    entries = [_PROJECT.format(version=", ".join(version for version in versions if version))]
    print("\n\n".join(entries + [bibtex(key, REFERENCES[key]) for key in keys]))
    return DONE


if __name__ == "__main__":
    as_process(main)
