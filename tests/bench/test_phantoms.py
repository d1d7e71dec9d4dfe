"""bench.phantoms: the FDA's scores of a method, clean, with noise and under attack."""

import pytest

from bench import phantoms
from bench.studies.phantoms import scored
from jaxcs.measures.iq_phantoms import Grid


def test_zero_filling_of_a_whole_scan(monkeypatch, capsys):
    """Nothing is left out, so that the clean scores are those of the phantoms with the scanner's noise."""
    monkeypatch.setattr(scored, "GRID", Grid((64, 64), (240.0, 240.0)))
    flags = ["--method", "zero_filled", "--acceleration", "1", "--steps", "4", "--eps", "0.3"]
    assert phantoms.main(flags) == 0
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head == "| score | clean | noise 0.3 | attacked 0.3 |"
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


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--method", "unet"], "--method unet: is a network; give --weights"),
        (["--method", "unet", "--weights", "unet-phantom-elbow"], "--weights: "),
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
