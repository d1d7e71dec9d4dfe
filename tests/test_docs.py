"""README and docs: tables come from records, links lead somewhere, commands are known."""

import importlib
import importlib.util
import re
import shlex

import pytest

from tests.helpers.places import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_is_what_its_record_says(make):
    pages = make.pages()
    assert ROOT / "README.md" in pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert make.filled(text) == text, f"{page}: run python docs/make.py"


def test_a_table_with_another_number_is_mended(make):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert make.filled(text.replace("23.73", "99.99")) == text


def test_every_record_is_shown_on_a_page():
    records = ROOT / "docs" / "records"
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for group in records.iterdir():
        assert re.search(rf"<!-- table: [^>]*\b{re.escape(group.stem)}\b", shown), f"no page shows {group}"


def test_records_name_no_path_of_a_machine():
    for path in (ROOT / "docs" / "records").rglob("run.json"):
        assert not re.search(r'"/(home|root|work|tmp|Users)', path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page):
    """Each `python -m` of a block names a module, and each of its flags is one that the module knows."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)).replace("\\\n", " ")
    for module, rest in re.findall(r"python -m ((?:bench|data_prep|tests)[\w.]*)([^&|\n]*)", blocks):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"{page}: {module}"
        if module.startswith("bench."):
            known = importlib.import_module(module).parser().format_help()
            for flag in (word for word in shlex.split(rest) if word.startswith("--")):
                assert flag in known, f"{page}: {module} has no {flag}"
