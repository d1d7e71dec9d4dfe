"""The conda recipe says what pyproject.toml says."""

import re
import tomllib

import yaml

from tests.helpers.places import ROOT

RECIPE = ROOT / ".conda" / "recipe.yaml"
# The names of packages that conda has under another name than the Python package index.
CONDA = {"matplotlib": "matplotlib-base"}


def test_the_recipe_is_that_of_this_project():
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)
    project = told["project"]
    assert recipe["context"]["version"] == project["version"]
    assert (recipe["package"]["name"], recipe["about"]["summary"]) == (project["name"], project["description"])
    assert (recipe["about"]["license"], recipe["about"]["license_file"]) == (
        project["license"],
        project["license-files"],
    )
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in project["scripts"].items()]
    python = f"python {project['requires-python']}"
    needed = [re.fullmatch(r"([\w-]+)(>=[\w.]+)", one).groups() for one in project["dependencies"]]
    assert recipe["requirements"]["run"] == [python, *(f"{CONDA.get(name, name)} {least}" for name, least in needed)]
    assert recipe["requirements"]["host"] == [python, "pip", *told["build-system"]["requires"]]
    assert recipe["tests"][0]["python"]["imports"] == sorted(
        told["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert all((RECIPE.parent / recipe["source"]["path"] / name).is_file() for name in project["license-files"])
