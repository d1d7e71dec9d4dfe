"""bench.defend: rows from weights and trainings, the table with its intervals, claims from its record, mistakes."""

import json

import numpy as np
import pytest

from bench import claims, defend, train
from bench.plan.config import RunConfig
from bench.record.record import read
from bench.studies.defend.analysis import analyse, markdown
from bench.studies.defend.training import Recipe, command_of
from jaxcs.catalogue import PHANTOMS, RANDOM
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
    files = [f"{name}=unet-phantom-{file}" for name, file in zip(runs, ("knee", "brain", "knee"), strict=True)]
    study = tmp_path / "study"
    arguments = ["--weights", *files, "--set", "jitter.channels=8", "--output", str(study)]
    assert defend.main(arguments) == 0
    assert asked == [
        ("unet-phantom-knee", {}, "plain"),
        ("unet-phantom-brain", {"channels": "8"}, "jitter"),
        ("unet-phantom-knee", {}, "adversarial"),
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
    runs |= {name: run_of(tmp_path / name, 27.0, 15.0) for name in ("diverse", "smoothed")}

    def weights_of(config, output, device, again):
        trained.append((config.phantom, config.data, output.name))
        return f"{output.name}.safetensors"

    def run_once(config, output, again, takes, device):
        judged.append((output.name, config.weights, config.data))
        return runs[output.name]

    monkeypatch.setattr("bench.studies.defend.training.weights_of", weights_of)
    monkeypatch.setattr("bench.run.series.run_once", run_once)
    data = str(tmp_path / "brains")
    assert defend.main(["--phantom", "brain", "--data", data, "--output", str(tmp_path / "study")]) == 0
    networks = ("plain", "jitter", "adversarial", "diverse", "plain")
    assert trained == [(PHANTOMS if name == "diverse" else ("brain",), None, f"train-{name}") for name in networks]
    assert judged == [(row, f"train-{name}.safetensors", data) for row, name in zip(runs, networks, strict=True)]
    assert "| adversarial | 30.50 " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["plain", "jitter", "adversarial", "diverse"])
def test_the_printed_command_is_that_of_the_training(kind):
    recipe = Recipe("small", steps=7, images=5, jitter=0.3, eps=0.04, seed=2)
    config = recipe.configuration(kind, RunConfig(method="unet", acceleration=3.0))
    assert train.configuration(train.parser().parse_args(command_of(config))) == config
    assert (config.jitter, config.adversarial_eps) == {"jitter": (0.3, 0.0), "adversarial": (0.0, 0.04)}.get(
        kind, (0.0, 0.0)
    )
    diverse = (PHANTOMS, (("contrast", 2.0), ("noise", 4.0)), 0.5)
    assert (config.phantom, config.shift, config.shifted) == (diverse if kind == "diverse" else (("knee",), (), 1.0))


def test_the_smoothed_row_is_the_plain_network_with_noise_as_large_as_the_jitter(runs, tmp_path, monkeypatch):
    trained, asked = [], {}

    def weights_of(config, output, device, again):
        trained.append(output.name)
        return f"{output.name}.safetensors"

    def run_once(config, output, again, takes, device):
        asked[output.name] = (config.weights, dict(config.settings))
        return runs.get(output.name, runs["plain"])

    monkeypatch.setattr("bench.studies.defend.training.weights_of", weights_of)
    monkeypatch.setattr("bench.run.series.run_once", run_once)
    flags = ["--jitter", "0.3", "--output", str(tmp_path / "study")]
    assert defend.main(flags) == 0
    assert trained == ["train-plain", "train-jitter", "train-adversarial", "train-diverse", "train-plain"]
    assert list(asked) == ["plain", "jitter", "adversarial", "diverse", "smoothed"]
    assert asked["plain"] == ("train-plain.safetensors", {})
    assert asked["smoothed"] == ("train-plain.safetensors", {"smoothing": "0.3"})
    assert defend.main([*flags, "--set", "smoothed.smoothing=0.1", "smoothed.draws=4"]) == 0
    assert asked["smoothed"][1] == {"smoothing": "0.1", "draws": "4"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--weights", "unet.safetensors"], "give each row a name, NAME=FILE"),
        (["--set", "channels=8"], "name a row, as in plain.channels"),
        (["--set", "cyclic.cyclic=3"], "name a row, as in plain.cyclic"),
    ],
)
def test_mistakes_are_one_line(flags, said, capsys):
    assert defend.main(flags) == 2
    assert said in capsys.readouterr().err


def test_a_training_has_the_sampling_of_its_method_if_none_is_given():
    made = Recipe("small", 2, 3, 0.2, 0.05, 0).configuration("plain", defend._base(defend.parser().parse_args([])))
    assert (made.mask, made.acceleration, made.center_fraction) == RANDOM


def test_all_rows_are_checked_before_the_first_is_trained_or_run(tmp_path, capsys):
    knee = "unet-phantom-knee"
    small = ["--output", str(tmp_path / "study")]
    for flags, code, said in (
        (["--set", "jitter.nothing=1"], 2, "row jitter: --set nothing: unet has no such setting"),
        (["--set", "jitter.cyclic=0"], 2, "row jitter: --set: cyclic is 0"),
        (["--weights", f"a={knee}", "b=nowhere.safetensors"], 3, "--weights nowhere.safetensors: "),
        (["--weights", f"a={knee}", "b=varnet-phantom-knee"], 2, "they are weights of varnet; use --method varnet"),
        (["--weights", f"a={knee}", f"a={knee}"], 2, "--weights a: is named twice"),
        # Its training has neither data nor an attack: three equal networks would be compared.
        (["--method", "diffusion"], 2, "give --weights"),
        (["--method", "fbpconvnet"], 2, "unknown name 'fbpconvnet'"),
    ):
        assert defend.main([*flags, *small]) == code, flags
        assert said in capsys.readouterr().err
        assert not (tmp_path / "study").exists()
