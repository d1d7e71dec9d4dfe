"""First tasks with data and methods of one's own: one command each, or an example of ten lines."""

import shutil

import pytest

from bench import attack, compare
from tests.helpers.cheap_run import cheapen, write_volume
from tests.helpers.places import ROOT

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    (tmp_path / "scans").mkdir()
    write_volume(tmp_path / "scans" / "scan.h5")
    return tmp_path


def test_a_folder_and_a_checkpoint_of_ones_own_are_two_flags(folder, capsys):
    checkpoint = shutil.copy(ROOT / "tests" / "parity" / "torch_files" / "unet.pt", folder / "mine.pt")
    flags = ["--data", str(folder / "scans"), "--acceleration", "2.5", "--center-fraction", "0.25"]
    code = attack.main(["--method", "unet", "--weights", str(checkpoint), *flags, "--output", str(folder / "runs")])
    assert code == 1, capsys.readouterr().err  # the second slice cannot be used
    assert list((folder / "runs").glob("*unet*/report.html"))


def test_two_methods_are_compared_by_a_command(folder, capsys):
    flags = ["--data", str(folder / "scans"), "--acceleration", "2.5", "--center-fraction", "0.25", "--eps", "0.05"]
    for method in ("zero_filled", "sense"):
        attack.main(["--method", method, *flags, "--output", str(folder / "runs")])
    capsys.readouterr()
    assert compare.main([*map(str, (folder / "runs").iterdir()), "--eps", "0.05"]) == 0
    assert "PSNR" in capsys.readouterr().out.upper()


@pytest.mark.parametrize("name", ["first_attack", "own_torch_network", "own_attack"])
def test_a_notebook_a_network_and_an_attack_of_ones_own_are_examples_of_few_lines(name):
    """tests/test_examples.py runs them."""
    script = (EXAMPLES / f"{name}.py").read_text()
    lines = [line for line in script.splitlines() if line.strip() and not line.startswith(("#", "import", "from"))]
    assert 5 <= len(lines) <= 20
    assert f"examples/{name}.md" in (ROOT / "mkdocs.yml").read_text()
