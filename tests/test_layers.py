"""The project's rules: the library has no side effects, names of the command line are those of the registries."""

import ast
import subprocess
import sys

import pytest

from bench import attack, train
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.training.step import LOSSES
from jaxcs import catalogue
from jaxcs.attacks import ATTACKS, two_step
from jaxcs.masks import MASKS
from jaxcs.recon import METHODS
from jaxcs.recon.wrapped import DEFENCES
from jaxcs.threats import CHANGES, NORMS
from jaxcs.weights.files import left_out, shipped
from tests.helpers.places import ROOT

PACKAGES = ("jaxcs", "data_prep", "bench")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.split(".")[0]


# All of the library that opens files: weights, and finished runs.
READERS = {ROOT / "jaxcs" / "weights" / "files.py", ROOT / "jaxcs" / "api" / "runs.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "jaxcs").rglob("*.py")), ids=lambda path: path.stem)
def test_the_library_reads_prints_and_plots_nothing(path):
    forbidden = {"os", "sys", "pathlib", "logging", "time", "datetime", "matplotlib", "h5py", "argparse", "random"}
    assert forbidden & set(imported(path)) == ({"pathlib"} if path in READERS else set())
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call.id for call in calls if isinstance(call, ast.Name) and call.id in ("print", "open")]


def test_no_file_is_longer_than_400_lines():
    files = [path for package in [*PACKAGES, "tests"] for path in (ROOT / package).rglob("*.py")]
    assert not [path for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 400]


def test_the_catalogue_says_of_each_method_what_its_file_says():
    assert list(catalogue.METHODS) == list(METHODS)
    for name, line in catalogue.METHODS.items():
        method = METHODS[name]
        assert set(line.presets) == set(method.presets), name
        assert (line.trained, line.fitted, line.weights_of) == (method.trained, method.fitted, method.weights_of), name
        assert (line.one_coil, line.one_mask) == (
            method.one_coil,
            method.one_coil and method.check_scan is not None,
        ), name
        assert line.prior == (method.train_loss is not None), name
        assert line.maps == method.uses_maps(method.config()), name
        assert line.eps == tuple(sorted(line.eps))
        assert line.published_loss in LOSSES
        here = {one for one in shipped() if one.startswith(f"{name}-")}
        assert {f"{name}-{data}" for data in line.shipped} - left_out() == here
    assert list(catalogue.DEFENCES) == list(DEFENCES)
    assert set(train.LOSSES) == set(LOSSES)
    assert {catalogue.METHODS[name].weights_of for name in catalogue.OF_OTHER_WEIGHTS} <= set(catalogue.NETWORKS)
    assert set(catalogue.TEST_TIME) <= set(catalogue.OF_OTHER_WEIGHTS)


def test_the_catalogue_says_of_each_attack_and_threat_what_its_file_says():
    # Presets of two_step are of a kind of method each; the command names them alike for all.
    assert {name.removesuffix("_published") for name in two_step.PRESETS} == {"l1", "untrained"}
    for name, attack_line in catalogue.ATTACKS.items():
        presets = {"bounded", "published"} if name == "two_step" else set(ATTACKS[name].presets)
        assert set(attack_line.presets) == presets, name
    for name, line in catalogue.CHANGES.items():
        assert line.moves_object == CHANGES[name].moves_object, name
        assert line.unit.rstrip("-") in CHANGES[name].unit
    assert list(catalogue.NORMS) == list(NORMS)
    assert list(catalogue.MASKS) == list(MASKS)


def test_help_does_not_wait_for_jax():
    code = (
        "import sys; from importlib import import_module; from bench.__main__ import COMMANDS\n"
        "for one in COMMANDS.values(): assert 'examples' in import_module(one.module).parser().format_help()\n"
        "assert not {'jax', 'numpy', 'importlib.metadata'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_the_library_sets_no_global_option():
    code = (
        "import jax; before = dict(jax.config.values); "
        "import jaxcs.recon, jaxcs.attacks, jaxcs.coils.espirit, jaxcs.masks, jaxcs.metrics; "
        "assert dict(jax.config.values) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("argv", "fields"),
    [
        ([], {}),
        (["--method", "varnet"], {"method": "varnet"}),
        (["--method", "dip"], {"method": "dip"}),
        (["--threat", "bias"], {"threat": "bias"}),
        (["--attack", "momentum"], {"attack": "momentum"}),
        (["--region", "1", "2", "8", "9"], {"region": (1, 2, 8, 9)}),
    ],
)
def test_a_configuration_made_in_python_is_that_of_the_command(argv, fields):
    assert attack.configuration(attack.parser().parse_args(argv)) == RunConfig(**fields)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--method", "all", "--victims", "all", "--set", "l1.lam=0.1", "--eps", "0", "1e-7", "--seed", "3", "--check"],
        ["--like", "rc2021", "--norm", "measured"],
        ["--like", "morshuis2022", "--region", "0", "0", "9", "9"],
        ["--attack", "rotation", "--shift", "noise=4", "contrast=0.1", "--only", "a list.csv", "--limit", "2"],
        ["--region", "0", "0", "9", "9", "--aim", "image", "--attack-preset", "bounded", "--step-size", "0.3"],
    ],
)
def test_a_run_that_no_command_began_names_the_command_that_would(argv):
    config = attack.configuration(attack.parser().parse_args(argv))
    assert attack.configuration(attack.parser().parse_args(command_line(config))) == config


def test_arguments_of_a_command_go_no_further_than_the_command():
    files = [path for path in (ROOT / "bench").rglob("*.py") if path.parent.name not in ("bench", "shell", "programs")]
    assert not [path for path in files if "argparse" in imported(path)]
