"""An attack that is a function of one's own: from the command line and from Python, and what is wrong with it."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from bench import attack
from bench.evaluate import brought
from bench.plan.errors import UsageError
from jaxcs.attacks import AttackResult
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.threats import Threat
from tests.helpers.cheap_run import FLAGS, cheapen, write_volume

MINE = """
import jax, jax.numpy as jnp
from jaxcs.attacks import AttackResult
from jaxcs.complex import value_and_ascent

def result(delta, loss, steps=3):
    return AttackResult(delta, loss(delta), jnp.zeros(steps), jnp.float32(1), jnp.zeros(1))

def climb(key, loss, threat):
    print("mine")
    delta = threat.random(key)
    for _ in range(3):
        delta = threat.boundary(value_and_ascent(loss)(delta)[1])
    return result(delta, loss)

def too_large(key, loss, threat): return result(2.5 * threat.random(key), loss)
def of_nan(key, loss, threat): return result(jnp.nan * threat.random(key), loss)
def cut(key, loss, threat): return result(threat.random(key)[..., :-1], lambda delta: loss(threat.random(key)))
def of_delta(key, loss, threat): return threat.random(key)
def without_trace(key, loss, threat): return result(threat.random(key), loss)._replace(trace=jnp.float32(0))
def two(key, loss): return None
def raises(key, loss, threat): raise RuntimeError("boom\\nsecond line")
def branches(key, loss, threat): return result(threat.random(key), loss) if loss(threat.random(key)) > 0 else None
three = 3
"""
BALL = Threat(jnp.float32(0.5), jnp.ones((2, 8, 6), bool))


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("mine", None)


def test_a_trial_counts_the_evaluations_and_prints_nothing(capsys):
    assert brought.tried(brought.attack("mine:climb"), BALL).config.evaluations == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mine:too_large", "returns a perturbation of 2.5 times the allowed size; return threat.project(delta)"),
        ("mine:of_nan", "returns a perturbation with NaN or infinity"),
        ("mine:cut", "returns a delta of (2, 8, 5); return one of (2, 8, 6), as threat.support"),
        ("mine:of_delta", "; return jaxcs.attacks.AttackResult(delta, loss, trace, gradient_norm, restarts)"),
        ("mine:without_trace", "returns a trace of (); it must have 1 axes"),
        ("mine:two", "fails when JAX traces it with (key, loss, threat): TypeError: two() takes 2 positional"),
        ("mine:raises", "fails when JAX traces it with (key, loss, threat): RuntimeError: boom; --debug shows where"),
        ("mine:branches", "fails when JAX traces it with (key, loss, threat): TracerBoolConversionError: "),
        ("mine:three", "is not a function but int; name a function of (key, loss, threat)"),
        ("mine:absent", "module 'mine' has no attribute 'absent'; name MODULE:NAME, importable from this folder"),
        ("not_there:f", "No module named 'not_there'; name MODULE:NAME"),
    ],
)
def test_what_cannot_be_used_is_one_line(name, problem):
    with pytest.raises(UsageError) as raised:
        brought.tried(brought.attack(name), BALL)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"--attack {name}: ")
    assert problem in line


def test_the_command_tries_it_before_a_folder_is_made(tmp_path, monkeypatch, capsys):
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5")
    flags = [*FLAGS, "--data", str(volume), "--output", str(tmp_path / "runs")]
    for name, code, told in (
        ("too_large", 2, "--attack mine:too_large: returns a perturbation of 2.5 times the allowed size"),
        ("absent", 2, "--attack mine:absent: module 'mine' has no attribute"),
    ):
        assert attack.main([*flags, "--attack", f"mine:{name}"]) == code
        assert told in capsys.readouterr().err
    assert attack.main([*flags, "--attack", "mine:climb", "--steps", "2"]) == 2
    assert "--steps: mine:climb has no such setting" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
    assert attack.main([*flags, "--attack", "mine:climb"]) == 1  # a slice cannot be used
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/run.json"))
    assert record["methods"]["zero_filled"]["attack"] == "mine:climb"
    assert record["methods"]["zero_filled"]["attack_config"] == {"evaluations": 3}
    assert record["gradient_evaluations"] == 2 * 3


def climb(key, loss, threat):
    """Take one step; noise alone is far weaker."""
    value, gradient = value_and_ascent(loss)(threat.random(key))
    delta = threat.boundary(gradient)
    return AttackResult(delta, loss(delta), value[None], l2_norm(gradient), value[None])


def combined(kspace, mask):
    return jnp.sqrt(jnp.sum(jnp.abs(jaxcs.fourier.ifft2c(kspace)) ** 2, axis=0) + 1e-12)


def test_a_function_is_an_attack_in_python_too():
    random = np.random.RandomState(0)
    kspace = (random.normal(size=(2, 16, 12)) + 1j * random.normal(size=(2, 16, 12))).astype(np.complex64)
    mask = np.ones(12, bool)
    report = jaxcs.attack(combined, kspace, mask, eps=0.1, method=climb)
    assert report.attack == "climb"
    assert report.scores["nmse"].attacked[0] > 2 * report.scores["nmse"].noise[0]
    for function, error, problem in (
        (
            lambda key, loss, threat: climb(key, loss, threat)._replace(delta=3 * threat.random(key)),
            ValueError,
            "3 times",
        ),
        (lambda key, loss: None, TypeError, r"tried with \(key, loss, threat\): .* takes 2 positional"),
        (lambda key, loss, threat: threat.random(key), TypeError, "return jaxcs.attacks.AttackResult"),
    ):
        with pytest.raises(error, match=problem) as raised:
            jaxcs.attack(combined, kspace, mask, eps=0.1, method=function)
        assert len(str(raised.value).splitlines()) == 1
