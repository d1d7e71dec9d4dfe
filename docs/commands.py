"""The commands and programs of README.md and the documentation, and which of them `docs/run_commands.py` runs.

What it does not run is listed here with the reason; `tests/test_commands.py` holds the list complete.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# A part of a command that makes an environment; the script runs what follows it.
_SET_UP = re.compile(r"^(python3 -m venv|\.venv/bin/pip) ")

# (page, command, why the script does not run it).  Both are expressions that must be found.
NOT_RUN = (
    (r"README", r"-m pytest$", "the tests themselves: .ci/run runs this very command"),
    (r"docs/examples/", r"", "tests/test_examples.py runs it"),
    (r"many-machines", r"^srun ", "needs Slurm: tests/bench/test_distributed.py starts such processes by hand"),
    (r"many-machines", r"^bench/jobs/slurm_array.sh ", "needs Slurm: tests/bench/test_jobs.py executes the template"),
    (r"own-data", r"data_prep pyqmri ", "fetches 86 MB: tests/data_prep/test_pyqmri.py converts a stand-in"),
    (r"own-data", r"data_prep (colin27|icbm152) ", "fetches 28 MB: tests/data_prep/test_templates.py has stand-ins"),
    (r"own-data", r"--data brain/", "needs the brain that the command above it fetches"),
    (r"stability", r"d5_c5.npz|varnet_coronal", "needs published weights: tests/bench/test_stability.py runs others"),
    (r"speed", r"bench.speed ", "needs PyTorch, fastmri, SigPy and BART: tests/bench/test_speed.py times our side"),
    (
        r"measures",
        r"knees.csv|bench.conformal|coverage.json",
        "needs a list and runs of 120 images: tests/bench/test_conformal.py makes such",
    ),
    (r"published", r"bench.claims ", "needs studies of hours: tests/bench/test_claims.py judges made-up records"),
    (r"shift", r"bench.shift( anatomy.*)?$", "takes hours: tests/bench/test_shift_study.py runs a small study"),
    (r"features", r"--study (worst|sizes)", "takes an hour: tests/bench/test_bench_features.py runs small ones"),
    (r"hard-images", r"bench.hardest|hard.csv", "needs runs of many images: tests/bench/test_hardest.py makes such"),
)

# Flags that the script adds to a command, so that it ends in seconds: its numbers mean nothing then.
ADDED = (
    (r"bench.attack (?!.*(--resume|--config|--attack (my_module|ensemble|rotation)))", "--limit 1 --steps 1"),
    (r"bench.attack .*--attack (my_module|ensemble|rotation)", "--limit 1"),
    (r"bench.attack .*--config", "--limit 1"),
    (r"bench.attack .*--shard", "--limit 2"),
    (r"bench.attack .*--coordinator", "--limit 2"),
    (r"bench.attack .*convdecoder|--method all", "--set convdecoder.n_steps=2"),
    (r"bench.attack .*--method convdecoder", "--set n_steps=2"),
    (r"bench.reconstruct (?!.*--perturbations)", "--limit 1"),
    (r"data_prep brainweb .*--draw", "--slices 1"),
    (r"bench.train ", "--steps 2 --every 1 --images 2 --validation-images 1"),
    (r"bench.tune (?!.*--worst-case)", "--images 1"),
    (r"bench.tune .*--worst-case", "--images 1 --steps 1"),
    (r"bench.convergence ", "--iterations 10 20"),
    (r"bench.features (?!.*--study)", "--stride 80"),
    (r"bench.features .*--study", "--limit 1"),
    (r"bench.leaderboard add ", "--despite 'below noise' 'not converged' 'worse than zero-filled'"),
    (r"bench.phantoms ", "--steps 1"),
    (r"bench.hardest ", "--middle 2 --count 2"),
    (r"bench.shift dataset", "--limit 1 --methods zero_filled unet"),
    (r"bench.stability ", "--limit 1 --steps 1"),
    (r"bench.universal ", "--fit 1 --limit 2 --steps 1"),
    (r"bench.ttt ", "--limit 1 --set n_steps=2 gradient_steps=1"),
)

# Words of a command that stand for a file of the user, and the made-up file that the script puts in their place.
STANDS_FOR = {
    "/path/to/fastmri": "fastmri",
    "board/ENTRY.json": "board/*unet*.json",
    "--shard 2/8": "--shard 2/2",
    "--views 50 --weights FILE": "--views 12 --weights fbpconvnet-phantom-ellipses",
}

# The same for programs: the attacks take one step.
_FEWER_STEPS = ("eps=[", "steps=1, eps=[")


class Command(NamedTuple):
    """A command or a program of a page.

    Attributes:
        page: the page, relative to the root of the repository.
        language: "sh" or "python".
        text: the command on one line, or all programs of the page in their order.
    """

    page: str
    language: str
    text: str


def pages() -> list[Path]:
    """Return README.md and the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of each block of a page."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[Command]:
    """Return the commands of a page in their order, and then its programs as one."""
    name, found, programs = page.relative_to(ROOT).as_posix(), [], []
    for language, text in blocks(page):
        if language == "python":
            programs.append(text)
        elif language == "sh":
            # A command that goes on in the background belongs to the next one.
            joined = re.sub(r" &\n", " & ", text.replace("\\\n", " "))
            found += [Command(name, "sh", " ".join(line.split())) for line in joined.splitlines() if line.strip()]
    return found + [Command(name, "python", "\n".join(programs))] * bool(programs)


def why_not(command: Command) -> str | None:
    """Return why the script does not run a command, or None if it does."""
    for page, text, reason in NOT_RUN:
        if re.search(page, command.page) and re.search(text, command.text):
            return reason
    return None if small(command) else "installs packages: .ci/run does"


def small(command: Command) -> str:
    """Return the command that the script runs: without what sets up an environment, on small made-up data."""
    if command.language == "python":
        return command.text.replace(*_FEWER_STEPS)
    parts = [part for part in command.text.split(" && ") if not _SET_UP.match(part)]
    text = " && ".join(parts)
    for word, stand_in in STANDS_FOR.items():
        text = text.replace(word, stand_in)
    # Of two processes that work together each gets the flags.
    return " & ".join(_with_flags(part) for part in text.split(" & ")) if text else ""


def _with_flags(text: str) -> str:
    flags = [added for pattern, added in ADDED if re.search(pattern, text)]
    # A setting is named once.
    for name in re.findall(r"\S+(?==)", " ".join(flags)):
        text = re.sub(rf" {re.escape(name)}=\S+", "", text)
    return " ".join([text, *flags]).strip()
