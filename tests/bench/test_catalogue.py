"""A file and a line are all that a method, an attack, a threat or a data source needs; packages add theirs."""

import json

import pytest

from bench import attack
from bench.evaluate import methods
from bench.figures import overview
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.run import finish
from bench.shell.attack_parser import parser
from data_prep import __main__ as convert
from jaxcs import catalogue
from jaxcs.attacks import ATTACKS, pgd
from jaxcs.recon import METHODS

METHOD = """
from dataclasses import dataclass
import jax.numpy as jnp
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.recon import Method
from jaxcs.types import Reconstructor

@dataclass(frozen=True)
class Config:
    gain: float = 1.0

def build(config):
    apply = lambda params, m, key: config.gain * root_sum_of_squares(ifft2c(m.kspace))
    return Reconstructor(lambda key: {}, apply)

METHOD = Method(Config, build, {"louder": Config(2.0)}, uses_maps=lambda config: False)
"""
ATTACK = """
from dataclasses import dataclass
from jaxcs.attacks import AttackEntry, AttackResult
from jaxcs.complex import l2_norm, value_and_ascent

@dataclass(frozen=True)
class Config:
    n_steps: int = 1

def build(config):
    def attack(key, loss, threat, start=None):
        value, gradient = value_and_ascent(loss)(threat.random(key))
        delta = threat.boundary(gradient)
        return AttackResult(delta, loss(delta), value[None], l2_norm(gradient), value[None])
    return attack

ATTACK = AttackEntry(Config, build)
"""
CHANGE = """
import jax.numpy as jnp
from jaxcs.threats import Change, Threat

def gain(kspace, maps, decibels):
    return kspace * 10 ** (decibels[0] / 20), maps

GAIN = Change("decibels", False, lambda epsilon, *_: Threat(jnp.asarray(epsilon), jnp.ones(1, bool), real=True), gain)
"""
SOURCE = """
import numpy as np
from data_prep.layout import Volume

def volumes(path):
    yield Volume(path.stem, np.load(path), crop=(40, 32), acquisition="toy", notes=())
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write the files of toys beside each other, where Python finds them."""
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, text in {"toy_m": METHOD, "toy_a": ATTACK, "toy_c": CHANGE, "toy_s": SOURCE}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    catalogue.installed.cache_clear()
    yield folder
    catalogue.installed.cache_clear()


def test_a_run_with_a_method_an_attack_a_threat_and_a_source_of_a_line_each(tmp_path, monkeypatch, modules, capsys):
    from data_prep import phantom

    # The four lines.
    monkeypatch.setitem(catalogue.METHODS, "toy", catalogue.MethodLine("toy_m:METHOD", presets=("louder",), maps=False))
    monkeypatch.setitem(catalogue.ATTACKS, "toy", catalogue.AttackLine("toy_a:ATTACK"))
    monkeypatch.setitem(catalogue.CHANGES, "toy", catalogue.ChangeLine("toy_c:GAIN", (1.0,), "decibels"))
    monkeypatch.setitem(convert.SOURCES, "toy", (convert.reader("toy_s"), "a file of NumPy"))

    import numpy as np

    np.save(tmp_path / "scan.npy", phantom.case("knee", "train", 0, (40, 32)).kspace[None])
    assert convert.main(["toy", str(tmp_path / "scan.npy"), str(tmp_path / "files")]) == 0
    monkeypatch.setattr(overview, "draw", lambda folder: b"figure")
    monkeypatch.setattr(finish, "page_of", lambda folder: b"report")
    flags = ["--method", "toy", "--attack", "toy", "--threat", "toy", "--data", str(tmp_path / "files"), "--json"]
    capsys.readouterr()
    code = attack.main([*flags, "--acceleration", "2", "--center-fraction", "0.3", "--output", str(tmp_path / "runs")])
    told = capsys.readouterr()
    assert code == 0, told.err
    record = json.loads(told.out)
    assert record["config"]["eps"] == [1.0]
    assert record["methods"]["toy"]["attack"] == "toy"
    assert record["threat_model"]["epsilon"] == "the size of the change in decibels"
    assert record["gradient_evaluations"] == 1
    (psnr,) = [row for row in record["summary"] if row["metric"] == "psnr"]
    assert psnr["attacked"] != psnr["clean"]


@pytest.fixture
def package(modules):
    """Pretend that a package is installed, which adds two methods, one of them broken, and an attack."""
    folder = modules / "toys-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[jaxcs.methods]\nadded = toy_m:METHOD\nbroken = not_there:METHOD\nwrong = toy_m:build\nl1 = toy_m:METHOD\n"
        "[jaxcs.attacks]\nadded = toy_a:ATTACK\nwrong = toy_m:METHOD\n"
    )


def test_an_installed_package_adds_methods_and_attacks_by_entry_points(package):
    assert "toy" not in METHODS
    assert METHODS["added"].presets["louder"].gain == 2
    assert list(METHODS)[len(catalogue.METHODS) :] == ["added", "broken", "wrong"]
    # A package takes no name of ours.
    assert METHODS["l1"] is not METHODS["added"]
    assert ATTACKS["added"].config().n_steps == 1
    given = parser().parse_args(["--method", "added", "--victims", "added", "l1", "--preset", "x", "--attack", "added"])
    assert (given.method, given.attack) == (["added"], "added")
    assert RunConfig("added").eps == catalogue.MethodLine("").eps


def test_an_installed_package_that_cannot_be_used_is_a_line_for_who_names_it(package):
    for name, problem in (("broken", "No module named 'not_there'"), ("wrong", "is no Method")):
        with pytest.raises(UsageError, match=rf"^--method {name}: .*, of an installed package.*{problem}") as raised:
            methods.entry(name)
        assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(ValueError, match="is no AttackEntry"):
        ATTACKS["wrong"]
    # The others can be used.
    assert ATTACKS["pgd"] is pgd.ATTACK
    assert methods.entry("added") is METHODS["added"]


def test_an_unknown_name_is_told_what_packages_add(package, tmp_path, capsys):
    assert attack.main(["--method", "aded", "--output", str(tmp_path)]) == 2
    assert "did you mean 'added'?" in capsys.readouterr().err
