"""bench.phantoms: the FDA's scores of a method, clean, with noise and under attack."""

import json

import pytest

import jaxcs
from bench import phantoms
from bench.evaluate.methods import configuration, weights
from bench.plan.config import RunConfig
from bench.studies.phantoms import scored
from bench.studies.phantoms.told import markdown
from jaxcs.api.methods import chosen
from jaxcs.measures.iq_phantoms import Grid


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(scored, "GRID", Grid((64, 64), (240.0, 240.0)))


def test_zero_filling_of_a_whole_scan(small, tmp_path, capsys):
    """Nothing is left out, so that the clean scores are those of the phantoms with the scanner's noise."""
    output = tmp_path / "new" / "scores.json"
    flags = ["--method", "zero_filled", "--acceleration", "1", "--steps", "4", "--eps", "0.3", "--output", str(output)]
    assert phantoms.main(flags) == 0
    said = capsys.readouterr().out
    head, _, *lines, empty, origin = said.splitlines()
    assert head == "| score | clean | noise 0.3 | attacked 0.3 |"
    assert not empty
    assert origin == (
        "zero_filled; attack scout with n_steps=4, restarts=1, step_size=2; epsilon 0.3; mask random with "
        "acceleration=1, center_fraction=0.08: 64 of 64 columns; seed 0."
    )
    found = {name: values for name, *values in (line.strip("| ").split(" | ") for line in lines)}
    assert len(found) == 7
    geometry, uniform, ratio = (
        [float(value) for value in found[name]]
        for name in ("geometric accuracy, largest error [%]", "uniformity [%]", "signal-to-noise ratio")
    )
    assert geometry[0] < 1
    assert uniform[0] > 85
    assert uniform[1] < uniform[0] - 2
    # An intensity of 0.5 with noise of 0.02.
    assert ratio[0] == pytest.approx(25, rel=0.25)
    assert int(found["resolved lines of 4 mm, of 8"][0]) >= 6
    record = json.loads(output.read_text())
    assert record["argv"] == flags
    assert f"{markdown(record)}\n" == said
    # Another study would replace the record.
    before = output.read_bytes()
    assert phantoms.main([*flags, "--seed", "1"]) == 4
    assert "is there already" in capsys.readouterr().err
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("unet", {"smoothing": "0.05", "draws": "2"}),
        # Its weights hold the steps of the sampler, and --set changes them.
        ("diffusion", {"steps": "2"}),
    ],
)
def test_settings_shipped_weights_and_seed_reach_every_reconstruction(small, monkeypatch, capsys, method, settings):
    """Zero-filling stands in for the method, which takes minutes to compile."""
    seen = []

    def noted(function):
        def call(given, *arguments, weights, **named):
            seen.append((str(chosen(given, weights).config), *named.values()))
            return function("zero_filled", *arguments, **named)

        return call

    monkeypatch.setattr(jaxcs, "attack", noted(jaxcs.attack))
    monkeypatch.setattr(jaxcs, "reconstruct", noted(jaxcs.reconstruct))
    words = [f"{name}={value}" for name, value in settings.items()]
    assert phantoms.main(["--method", method, "--steps", "1", "--seed", "3", "--set", *words]) == 0
    config = RunConfig(method=method, settings=tuple(settings.items()))
    trained = weights(config)
    assert len(seen) == 3 * 4
    assert set(seen) == {(str(configuration(config, trained)), 3)}
    origin = capsys.readouterr().out.splitlines()[-1]
    for word in words:
        assert word in origin
    assert f"the shipped weights for phantom knees (sha256 {trained.sha256[:8]}); attack apgd with n_steps=1" in origin


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--method", "unet", "--weights", "modl-phantom-knee"], "they are weights of modl"),
        (["--method", "unet", "--set", "draws=4"], "--set draws: is a setting of smoothing"),
        (["--method", "sense", "--output", "scores.csv"], "--output scores.csv: is written as .json"),
        (["--method", "dip"], "--method"),
        (["--method", "fbpconvnet"], "--method"),
        (
            ["--method", "sense", "--acceleration", "20"],
            "--acceleration 20: random: the centre alone takes 10 of the 6.4",
        ),
    ],
)
def test_what_it_refuses(flags, said, capsys):
    assert phantoms.main(flags) == 2
    assert said in capsys.readouterr().err
