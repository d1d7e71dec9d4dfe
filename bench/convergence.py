"""Measure whether more iterations save a reconstruction: python -m bench.convergence --method l1 --eps 0.05.

The command attacks the solver that stops early, and the solver that converges.  It scores each perturbation with the
solver stopped after several numbers of iterations.  A perturbation made for an early stop says little about the
minimum, and the other way round.  Once the solver has converged, the columns are equal.
"""

from __future__ import annotations

import json
from argparse import Namespace, RawDescriptionHelpFormatter

from bench.plan.errors import DONE
from bench.shell.arguments import Parser, epsilon, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import add_data, add_debug, add_device, add_json, add_sampling, add_settings, unattacked
from data_prep.process import as_process

# The methods whose default solver iterates.
_METHODS = ("l1", "tv")
_ITERATIONS = (60, 100, 300, 1000, 3000)


def parser() -> Parser:
    """Build the parser of the command line."""
    top = Parser(
        prog="python -m bench.convergence",
        examples=("--method l1 --eps 0.05", "--method tv --iterations 100 1000 --json"),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    what = top.add_argument_group("what")
    what.add_argument(
        "--method",
        type=one_of(_METHODS),
        default="l1",
        metavar="NAME",
        help=f"one of {', '.join(_METHODS)}; l1 if not given",
    )
    add_settings(what, "settings of the method, such as lam=0.004")
    what.add_argument(
        "--eps",
        type=epsilon,
        default=0.05,
        metavar="E",
        help="size of the perturbation [-]; 0.05 if not given",
    )
    what.add_argument(
        "--iterations",
        type=integer(1),
        nargs="+",
        default=_ITERATIONS,
        metavar="N",
        help="numbers of iterations after which the solver is stopped and scored; "
        f"{' '.join(map(str, _ITERATIONS))} if not given",
    )
    data = top.add_argument_group("data")
    add_data(data)
    add_sampling(data)
    data.add_argument(
        "--image", type=integer(0), default=0, metavar="I", help="index of the image, from 0; 0 if not given"
    )
    run = top.add_argument_group("run")
    run.add_argument("--seed", type=integer(0), default=0, metavar="N", help="seed of random starts; 0 if not given")
    add_device(run)
    output = top.add_argument_group("output")
    add_json(output)
    add_debug(output)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""

    def work(arguments: Namespace, argv: list[str]) -> int:
        from bench.studies.tuning.converging import converging, table  # imports JAX

        config = unattacked(
            arguments,
            method=arguments.method,
            settings=tuple(arguments.set),
            attack="default",
            eps=(arguments.eps,),
            seed=arguments.seed,
            limit=arguments.image + 1,
        )
        found = converging(config, arguments.image, arguments.iterations, arguments.device)
        print(json.dumps(found) if arguments.json else table(found))
        return DONE

    return execute(parser(), "bench.convergence", "use fewer coils or a smaller matrix", work, argv)


if __name__ == "__main__":
    as_process(main)
