"""The peers that users would use instead: how they are located and installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bench.plan.errors import OutputError, UsageError

_TORCH = "2.13.0"
_NEEDED = ("numpy", "scipy", "h5py", "scikit-image", "pandas", "requests", "tqdm", "runstats", "PyYAML")
_SIGPY = "sigpy==0.1.27"
# Lightning and its dependencies serve the package's training, not its models.
_WITHOUT_NEEDS = ["fastmri==0.3.0"]
_CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
_SCIKIT_IMAGE, _ASTRA = "scikit-image", "astra-toolbox"
_PACKAGES = ("sigpy", "torch", "fastmri", _SCIKIT_IMAGE, _ASTRA, *_CUPY)


class Peers(NamedTuple):
    """The peers that this machine has.

    Attributes:
        sigpy: interpreter that has SigPy, or None.
        torch: interpreter that has PyTorch and `fastmri`, or None.
        bart: whether BART is on the path.
        versions: version of each available peer, by name.
        absent: one line for each missing peer.
        cupy: whether SigPy's interpreter has CuPy, so that SigPy can compute on a GPU.
        scikit_image: interpreter that has scikit-image, or None.
        astra: interpreter that has ASTRA, or None.
    """

    sigpy: Path | None
    torch: Path | None
    bart: bool
    versions: dict[str, str]
    absent: list[str]
    cupy: bool = False
    scikit_image: Path | None = None
    astra: Path | None = None

    def of_many(self) -> Peers:
        """Return the peers that take several slices at once."""
        return self._replace(sigpy=None, bart=False, cupy=False, scikit_image=None, astra=None)


def find(folder: Path | None) -> Peers:
    """Look for peers in `folder`, which `set_up` made, and in this environment.

    Raises:
        UsageError: the folder has no interpreter.
    """
    interpreters = [Path(sys.executable)]
    if folder is not None:
        python = folder / "bin" / "python"
        if not python.exists():
            raise UsageError(f"--peers {folder}: no bin/python there; python -m bench.speed --set-up {folder} makes it")
        interpreters.insert(0, python.absolute())
    found: dict[str, tuple[Path, str]] = {}
    for interpreter in reversed(interpreters):
        found |= {package: (interpreter, version) for package, version in _versions(interpreter).items()}
    versions = {package: version for package, (_, version) in found.items()}
    absent = []
    if "sigpy" not in found:
        absent.append("SigPy is not installed; --set-up FOLDER installs it for --peers FOLDER")
    torch = found["torch"][0] if "torch" in found and found["torch"][0] == found.get("fastmri", [None])[0] else None
    if torch is None:
        absent.append("PyTorch and fastmri are not installed; --set-up FOLDER installs them for --peers FOLDER")
    bart = shutil.which("bart") is not None
    if bart:
        versions["bart"] = subprocess.run(["bart", "version"], capture_output=True, text=True).stdout.strip()
    else:
        absent.append("BART is not on the path; its Debian package is called bart")
    if _SCIKIT_IMAGE not in found:
        absent.append("scikit-image is not installed; --set-up FOLDER installs it for --peers FOLDER")
    if _ASTRA not in found:
        absent.append(f"ASTRA is not installed; its package is called {_ASTRA}")
    sigpy, scikit_image, astra = (
        found[name][0] if name in found else None for name in ("sigpy", _SCIKIT_IMAGE, _ASTRA)
    )
    cupy = any(found[name][0] == sigpy for name in _CUPY if name in found)
    return Peers(sigpy, torch, bart, versions, absent, cupy, scikit_image, astra)


def _versions(interpreter: Path) -> dict[str, str]:
    """The versions of the peers' packages that an interpreter has, without importing them."""
    program = (
        "import json; from importlib.metadata import distributions; "
        f"print(json.dumps({{d.name: d.version for d in distributions() if d.name in {_PACKAGES!r}}}))"
    )
    done = subprocess.run([str(interpreter), "-c", program], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.splitlines() or ["it said nothing"])[-1]
        raise UsageError(f"--peers: {interpreter} does not run: {reason}")
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


def set_up(folder: Path) -> list[str]:
    """Make the environment for the peers.

    Returns:
        One line for each peer that the environment cannot hold.

    Raises:
        OutputError: a step of the installation fails.
    """
    _step(folder, [sys.executable, "-m", "venv", str(folder)])
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    # If pip knows an index of CPU builds, use it: the build for all devices is larger and not faster without a GPU.
    if shutil.which("nvidia-smi") or subprocess.run([*install, f"torch=={_TORCH}+cpu"], capture_output=True).returncode:
        _step(folder, [*install, f"torch=={_TORCH}"])
    _step(folder, [*install, _SIGPY, *_NEEDED])
    _step(folder, [*install, "--no-deps", *_WITHOUT_NEEDS])
    return find(folder).absent


def _step(folder: Path, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise OutputError(f"--set-up {folder}: {' '.join(command[1:5])} ... failed: {last}")
