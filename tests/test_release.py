"""One version and one range of requirements in pyproject.toml, CITATION.cff and CHANGELOG.md."""

import re
import tomllib

import yaml

from tests.helpers.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_version_is_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"] == re.search(r"^## ([\d.]+)", CHANGELOG, re.MULTILINE)[1]


def test_the_newest_entry_states_the_range_that_is_tested():
    newest = CHANGELOG.split("\n## ")[1]
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} or newer" in newest
    lock = (ROOT / ".ci" / "requirements.lock").read_text(encoding="utf-8")
    for package, name in (("jax", "JAX"), ("flax", "Flax")):
        (oldest,) = (
            one.removeprefix(f"{package}>=") for one in PROJECT["dependencies"] if one.startswith(f"{package}>")
        )
        locked = re.search(rf"^{package}==(\d+\.\d+)", lock, re.MULTILINE)[1]
        assert f"{name} {oldest} to {locked}" in newest
    for section in ("Added", "Changed", "Fixed", "Removed"):
        assert f"\n### {section}\n" in newest
