"""The examples of the documentation run, and their pages are of the scripts as they are."""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def examples():
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES.parent / "make_examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_cells_of_its_script_in_order(examples, name):
    page, at = (EXAMPLES / f"{name}.md").read_text(encoding="utf-8"), 0
    found = examples.cells((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    assert any(cell.code for cell in found)
    for cell in found:
        at = page.index(cell.text, at)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(examples, name, tmp_path, monkeypatch):
    if name == "own_torch_network":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(examples, "FOLDER", tmp_path)
    script = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    # The same calls with fewer steps, because a test shows that they work and not what they find.
    (tmp_path / f"{name}.py").write_text(script.replace("steps=10", "steps=1").replace("[0.02, 0.05]", "[0.05]"))
    page = examples.page(name)
    assert "```text\n" in page
    assert not plt.get_fignums()
    assert page.count("![") == len(list(tmp_path.glob("*.png")))
