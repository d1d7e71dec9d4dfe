"""Run the commands and programs of README.md and the documentation, small, and list those that are not run.

    python docs/run_commands.py                        all pages, minutes
    python docs/run_commands.py how-to/resume README   the pages whose names have one of these words
    python docs/run_commands.py --list                 runs nothing

Each page has a folder of its own with stand-ins for what it takes from its user (`docs/stand_ins.py`).  Commands get
flags that make them small, XLA compiles with little effort, and every command is printed as it was run.
`docs/commands.py` has these flags, and why some commands are not run.  The exit code is 1 if a command failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from commands import Command, commands, pages, small, why_not  # noqa: E402

# Pages whose commands go on with the run of the command before, and call it runs/RUN.
_OF_THE_RUN_BEFORE = ("docs/how-to/measures.md", "docs/how-to/regulator.md")
# Programs that go on from another page.
_BEFORE = {
    "docs/how-to/deployment.md": "import numpy as np\n"
    "kspace = maps = np.full((1, 8, 160, 128), 0.1 + 0j, np.complex64)\nmask = np.ones((1, 128), bool)\n",
}
_LONGEST = 1200  # seconds
# Compiling takes longer than computing.  What is set already stays.
_QUICK = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}


def main(given: list[str]) -> int:
    """Run the commands of the pages with these names, or of all; returns the exit code."""
    wanted = [page for page in pages() if any(word in str(page) for word in given if word != "--list") or not given]
    if "--list" in given:
        wanted = pages()
    failed, ran = [], 0
    with tempfile.TemporaryDirectory() as work:
        for page in wanted:
            folder = Path(work) / page.relative_to(ROOT).with_suffix("").as_posix().replace("/", "-")
            for command in commands(page):
                reason = why_not(command)
                if reason is not None or "--list" in given:
                    _say(command, "not run" if reason else "run", reason or _shown(command))
                    continue
                if not folder.exists():
                    _prepare(folder, page, Path(work))
                ran += 1
                failed += [command] * (not _run(command, folder))
    print(f"{ran} commands, {len(failed)} failed")
    return 1 if failed else 0


def _say(command: Command, state: str, words: str) -> None:
    text = command.text if command.language == "sh" else "its programs"
    print(f"{state:8} {command.page}: {text}\n         {words}", flush=True)


def _shown(command: Command) -> str:
    """The command that is run, on one line."""
    return small(command) if command.language == "sh" else "one after the other, attacks with one step"


def _prepare(folder: Path, page: Path, work: Path) -> None:
    """Make a folder in which the commands of a page find what they name."""
    from stand_ins import STAND_INS, bench, fastmri

    os.environ.update({**_QUICK, **os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"})
    common = work / "stand-ins"
    if not common.exists():
        common.mkdir()
        fastmri(common / "fastmri")
        bench(common, "data_prep", "maps", "fastmri")
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "bench").symlink_to(ROOT / "bench")
    shutil.copytree(common / "fastmri", folder / "fastmri")
    text = "\n".join(command.text for command in commands(page))
    for name, make in STAND_INS.items():
        if name in text and not (name == "runs/RUN" and str(page.relative_to(ROOT)) in _OF_THE_RUN_BEFORE):
            made = common / name
            if not made.exists() and not made.with_suffix(".py").exists():
                made.parent.mkdir(parents=True, exist_ok=True)
                make(made)
            made = made if made.exists() else made.with_suffix(".py")
            target = folder / made.relative_to(common)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if made.is_dir() else shutil.copy)(made, target)
            if made.suffix == ".hdr":
                shutil.copy(made.with_suffix(".cfl"), target.with_suffix(".cfl"))


def _run(command: Command, folder: Path) -> bool:
    """Run a command in its folder, and say how it went."""
    text, begun = small(command), time.monotonic()
    runs = set((folder / "runs").glob("*"))
    if command.language == "python":
        program = _BEFORE.get(command.page, "") + text
        words = [sys.executable, "-c", program]
    else:
        program = ""
        words = ["bash", "-c", f"set -e; {text}; wait"]
    if "deepinv" in program + text and not _installed("deepinv"):
        _say(command, "not run", "DeepInverse is not installed")
        return True
    if ("import torch" in program or "my_network.py" in text) and not _installed("torch"):
        _say(command, "not run", "PyTorch is not installed")
        return True
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_LONGEST)
        code, said = done.returncode, done.stderr or done.stdout
    except subprocess.TimeoutExpired:
        code, said = -1, f"not done after {_LONGEST} s"
    seconds = time.monotonic() - begun
    # So small an attack may miss the bound that the page asks for; the command has then done its work.
    if code == 1 and "--accept" in text:
        code = 0
    _say(command, "ok" if code == 0 else f"exit {code}", f"{_shown(command)}   ({seconds:.0f} s)")
    if code:
        print("         " + "\n         ".join(said.splitlines()[-5:]), flush=True)
    if command.page in _OF_THE_RUN_BEFORE and not (folder / "runs" / "RUN").exists():
        for new in set((folder / "runs").glob("*")) - runs:
            new.rename(folder / "runs" / "RUN")
    return code == 0


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
