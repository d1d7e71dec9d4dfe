"""bench.defend: rows from weights and trainings, the table with its intervals, claims from its record, mistakes."""

import json

import numpy as np
import pytest

from bench import claims, defend, train
from bench.plan.config import RunConfig
from bench.record.record import read
from bench.studies.defend.analysis import analyse, markdown
from bench.studies.defend.training import Recipe, command_of
from jaxcs.catalogue import RANDOM
from tests.helpers.run_folder import write_run


def run_of(folder, clean, attacked):
    """A run of six volumes with these mean PSNRs."""
    cases = tuple(f"{image}.h5:0" for image in range(6))
    run = write_run(folder, ("unet",), cases, shape=(2, 2))
    lines = [json.loads(line) for line in (run / "images.jsonl").read_text().splitlines()]
    for line in lines:
        if line["metric"] == "psnr":
            image = int(line["case"][0])
            line |= {"clean": clean + image, "attacked": attacked + 1.1 * image}
    (run / "images.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read(run)


@pytest.fixture
def runs(tmp_path):
    """The third row loses 4 dB less than the second to its own attack."""
    scores = {"plain": (30.0, 15.0), "jitter": (29.0, 20.0), "adversarial": (28.0, 24.0)}
    return {name: run_of(tmp_path / name, *one) for name, one in scores.items()}


def test_the_table_has_means_with_intervals_and_the_gain_over_the_first_row(runs):
    record = analyse(runs)
    lines = markdown(record).splitlines()
    half = 2.5706 * np.std(1.1 * np.arange(6), ddof=1) / np.sqrt(6)
    assert lines[0] == "| defence | clean PSNR [dB] | worst PSNR at 0.05 [dB] | worst less that of plain |"
    assert lines[2].startswith("| plain | 32.50 ± 1.96 | 17.75 ± ")
    assert f"{half:.2f}" in lines[2]
    assert lines[3].endswith("| +5.00 ± 0.00 |")
    assert lines[4].startswith("| adversarial | 30.50 ± 1.96 | 26.75 ± ")


def test_rows_are_runs_and_the_record_is_judged_by_the_claims(runs, tmp_path, monkeypatch, capsys):
    asked = []

    def run_once(config, output, again, takes, device):
        asked.append((config.weights, dict(config.settings), output.name))
        return runs[output.name]

    monkeypatch.setattr("bench.run.series.run_once", run_once)
    files = [f"{name}={name}.safetensors" for name in runs]
    study = tmp_path / "study"
    arguments = ["--weights", *files, "--set", "jitter.channels=8", "--output", str(study)]
    assert defend.main(arguments) == 0
    assert asked == [
        ("plain.safetensors", {}, "plain"),
        ("jitter.safetensors", {"channels": "8"}, "jitter"),
        ("adversarial.safetensors", {}, "adversarial"),
    ]
    out = capsys.readouterr().out
    assert "training with jitter is as robust as adversarial training" in out
    assert out.rstrip().endswith(": no")
    assert (study / "defend.png").stat().st_size > 5000
    assert claims.main([str(study), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["claim"], row["agrees"]) == ("jitter equals", "no")
    assert row["parts"][0]["value"] == pytest.approx(-4.0)
    assert row["commands"][0].startswith("python -m bench.defend ")


def test_networks_are_trained_on_the_phantom_and_judged_on_the_data(runs, tmp_path, monkeypatch, capsys):
    trained, judged = [], []

    def weights_of(config, output, device, again):
        trained.append((config.phantom, config.data, output.name))
        return f"{output.name}.safetensors"

    def run_once(config, output, again, takes, device):
        judged.append((config.weights, config.data))
        return runs[output.name]

    monkeypatch.setattr("bench.studies.defend.training.weights_of", weights_of)
    monkeypatch.setattr("bench.run.series.run_once", run_once)
    data = str(tmp_path / "brains")
    assert defend.main(["--phantom", "brain", "--data", data, "--output", str(tmp_path / "study")]) == 0
    assert trained == [("brain", None, f"train-{name}") for name in runs]
    assert judged == [(f"train-{name}.safetensors", data) for name in runs]
    assert "| adversarial | 30.50 " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["plain", "jitter", "adversarial"])
def test_the_printed_command_is_that_of_the_training(kind):
    recipe = Recipe("small", steps=7, images=5, jitter=0.3, eps=0.04, seed=2)
    config = recipe.configuration(kind, RunConfig(method="unet", acceleration=3.0))
    assert train.configuration(train.parser().parse_args(command_of(config))) == config
    assert (config.jitter, config.adversarial_eps) == {"jitter": (0.3, 0.0), "adversarial": (0.0, 0.04)}.get(
        kind, (0.0, 0.0)
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--weights", "unet.safetensors"], "give each row a name, NAME=FILE"),
        (["--set", "channels=8"], "name a row, as in plain.channels"),
        (["--set", "smoothed.smoothing=0.01"], "name a row, as in plain.smoothing"),
    ],
)
def test_mistakes_are_one_line(flags, said, capsys):
    assert defend.main(flags) == 2
    assert said in capsys.readouterr().err


def test_a_training_has_the_sampling_of_its_method_if_none_is_given():
    made = Recipe("small", 2, 3, 0.2, 0.05, 0).configuration("plain", defend._base(defend.parser().parse_args([])))
    assert (made.mask, made.acceleration, made.center_fraction) == RANDOM
