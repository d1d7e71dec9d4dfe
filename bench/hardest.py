"""Choose the images that a method reconstructs worst: python -m bench.hardest RUN [RUN ...] --output FILE.csv.

The adversarially filtered data set of the ICML 2021 paper, fastMRI-A, is such a choice: the 100 images of lowest SSIM
among the five middle slices of each volume.  The command writes the list, which bench.attack --only takes.  The .json
and .png beside the list compare the low-frequency energy of these images and of the other images.  FILE-images.png
shows the hardest images as every method of the runs reconstructs them.  No data are copied.
"""

from __future__ import annotations

import json
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from bench.plan.errors import DONE, UsageError
from bench.shell.arguments import Parser, integer, one_of
from bench.shell.command import execute
from bench.shell.flags import CENTER_FRACTION, add_debug
from data_prep.process import as_process

_METRICS = ("ssim", "psnr")


def parser() -> Parser:
    """Build the parser of the command line."""
    made = Parser(
        prog="python -m bench.hardest",
        examples=(
            "runs/RUN --count 10 --output hard.csv",
            "runs/UNET --count 10 --output hard.csv --others runs/L1 runs/VARNET",
        ),
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("runs", nargs="+", metavar="RUN", help="run folders of bench.attack, of one method")
    made.add_argument("--method", metavar="NAME", help="the method whose scores count, if the runs have several")
    made.add_argument(
        "--metric",
        type=one_of(_METRICS),
        default="ssim",
        metavar="M",
        help="ssim or psnr, on clean data; ssim if not given",
    )
    made.add_argument(
        "--count",
        type=integer(1),
        default=100,
        metavar="N",
        help="number of images to choose; 100 if not given, as in the paper",
    )
    made.add_argument(
        "--middle",
        type=integer(0),
        default=0,
        metavar="N",
        help="number of middle slices to use of each volume; all if not given",
    )
    made.add_argument(
        "--others",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs of other methods, to tell whether the images are hard for them too",
    )
    made.add_argument("--output", required=True, metavar="FILE.csv", help="file of the list")
    add_debug(made)
    # The host sums the energies, so that there is no device to choose.
    made.set_defaults(device="auto")
    return made


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return execute(parser(), "bench.hardest", "name fewer runs", _work, argv)


def _work(arguments: Namespace, argv: list[str]) -> int:
    from bench.figures.drawing import draw_into
    from bench.record.reading import understanding
    from bench.record.record import read
    from bench.record.records import RunFolder
    from bench.slices.case_list import as_csv
    from bench.studies.hardest import hard_for_others, spectra, subset

    output = Path(arguments.output)
    if output.suffix.lower() != ".csv":
        raise UsageError(
            f"--output {output}: the list is a .csv file, with a .json and a .png beside it; give another name"
        )
    records, others = ([read(Path(run)) for run in runs] for runs in (arguments.runs, arguments.others))
    method = subset.method_of(records, arguments.method)
    scored = subset.scored(records, method, arguments.metric, arguments.middle)
    chosen = subset.hardest(scored, arguments.count)
    names = {one.case for one in chosen}
    beside = hard_for_others.hard_for_others(scored, names, records[0], others, arguments.metric)
    folder = RunFolder(output.parent)
    folder.write(output.name, as_csv((one.case, one.volume, one.score) for one in chosen))
    print(
        f"{len(chosen)} of {len(scored)} images in {output}: {arguments.metric} {chosen[0].score:.4g} to "
        f"{chosen[-1].score:.4g}, of all {chosen[0].score:.4g} to {max(one.score for one in scored):.4g}"
    )
    with understanding(records[0].folder / "run.json"):
        # The field is None if the files have masks.
        fraction = float(records[0].run.config["center_fraction"] or CENTER_FRACTION)
    found, partial = spectra.spectra(scored, names, fraction)
    if partial:
        print(f"{partial} images hold no whole k-space and are left out of what follows")
    choice = {"runs": arguments.runs, "method": method, "metric": arguments.metric, "middle": arguments.middle}
    record = choice | {"argv": argv} | spectra.low_frequency(found, fraction) | {"others": beside}
    record["findings"] = spectra.sentences(record) + hard_for_others.sentences(beside, arguments.metric)
    print(*record["findings"], sep="\n")
    table = output.with_suffix(".json")
    folder.write_json(table.name, record)
    if all((one.folder / "pictures.npz").exists() for one in (*records, *others)):
        name = f"{output.stem}-images.png"
        cases = [one.case for one in chosen]
        draw_into(
            folder, name, "hard_images", cases, method, records, others, arguments.metric, again="the same command"
        )
    if record["groups"]:
        drawn = json.loads(table.read_text(encoding="utf-8"))
        draw_into(folder, output.with_suffix(".png").name, "low_frequency", drawn, again="the same command")
    return DONE


if __name__ == "__main__":
    as_process(main)
