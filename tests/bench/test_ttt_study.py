"""bench.ttt and attacks on test-time training: runs that start once, the closed fraction, errors of one line."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import h5py
import jax
import numpy as np
import pytest

from bench import attack, ttt
from bench.record.record import read
from bench.run import series
from bench.studies.test_time import gap
from data_prep import phantom
from data_prep.weights import read_weights
from jaxcs.recon import METHODS, unet_complex
from jaxcs.weights import archive

STATES = ("clean", "noise", "attacked")
SAMPLING = ["--center-fraction", "0.25", "--acceleration", "2.5"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Four tiny networks that were never trained."""
    folder, network = tmp_path_factory.mktemp("weights"), unet_complex.Config(4, 1)
    init = jax.jit(METHODS["unet_complex"].build(network).init)
    for seed, model in enumerate(gap.MODELS):
        params = init(jax.random.key(seed))
        training = {"self_supervised": float(model.endswith("self"))}
        card = {"method": "unet_complex", "config": asdict(network), "training": training}
        (folder / f"{model}.safetensors").write_bytes(archive.encode(params, card))
    return {model: str(folder / f"{model}.safetensors") for model in gap.MODELS}


# SSIM before and after, for two images: half of the gap is closed.
SCORES = {
    "source-sup": ((0.6, 0.62), (0.5, 0.51)),
    "source-self": ((0.5, 0.52), (0.7, 0.74)),
    "target-sup": ((0.8, 0.83), (0.7, 0.71)),
    "target-self": ((0.8, 0.82), (0.85, 0.89)),
}


@pytest.fixture
def runs(weights, monkeypatch):
    """Runs with made-up numbers; the list of the configurations that were carried out."""
    asked = []

    def run_once(config, output, again, takes, device):
        model, _, state = output.name.rpartition("-")
        folder = output / f"x-{config.fingerprint()}"
        if (folder / "run.json").exists():
            return read(folder)
        asked.append(config)
        folder.mkdir(parents=True)
        known = {"method": config.method, "config": {}, "weights": {"sha256": read_weights(config.weights).sha256}}
        record = {"config": config.to_dict(), "fingerprint": config.fingerprint(), "status": "done", "failed": {}}
        record |= {"threat_model": {}, "argv": [], "data": "", "methods": {config.method: known}}
        (folder / "run.json").write_text(json.dumps(record))
        common = {"source": "x", "victim": "x", "attack": "apgd", "eps": 0.0, "flags": []}
        rows = [
            common | {"case": f"{i}", "volume": f"{i}", "metric": metric} | dict.fromkeys(STATES, score)
            for i, score in enumerate(SCORES[model][state == "after"])
            for metric in ("ssim", "psnr")
        ]
        (folder / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert takes(SimpleNamespace(record=read(folder).run))
        return read(folder)

    monkeypatch.setattr(series, "run_once", run_once)
    return asked


def study(weights, folder, *more):
    given = [word for model, path in weights.items() for word in (f"--{model}", path)]
    return ttt.main([*given, "--output", str(folder), *more])


def test_a_study_runs_what_is_missing_and_says_what_it_found(weights, runs, tmp_path, capsys):
    folder = tmp_path / "study"
    assert study(weights, folder, "--set", "n_steps=7") == 0
    assert len(runs) == 8
    assert all((config.settings == (("n_steps", "7"),)) == (config.method == "ttt_unet") for config in runs)
    assert all((config.eps, config.phantom) == ((0.0,), "brain") for config in runs)
    out = capsys.readouterr().out
    assert "+0.3000 before test-time training and +0.1500 after: 50 % of it is closed" in out
    assert "published (anatomy, unet, one image of the code's notebooks): 97 %" in out
    assert "both supervised, is +0.2050 before test-time training and +0.2000 after: 2 % of it is closed" in out
    above = (
        "it closes from above, and nothing is gained: the target's network changes by -0.1100, the source's by -0.1050"
    )
    assert out.count("it closes from above") == out.count(above) == 1
    assert "trained on the source, supervised: 0.6100 to 0.5050, -0.1050" in out
    assert (folder / "ttt.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((folder / "ttt.json").read_text())

    assert study(weights, folder, "--set", "n_steps=7") == 0
    assert json.loads((folder / "ttt.json").read_text()) == record
    assert record["argv"][-2:] == ["--set", "n_steps=7"]
    assert ttt.main(["--redraw", "--output", str(folder)]) == 0
    assert len(runs) == 8
    # A study that is drawn again still names the command that made it; for a record without a command none is made up.
    assert json.loads((folder / "ttt.json").read_text()) == record
    (folder / "ttt.json").write_text("{}")
    assert ttt.main(["--redraw", "--output", str(folder)]) == 0
    assert json.loads((folder / "ttt.json").read_text()) == {name: record[name] for name in record if name != "argv"}


@pytest.mark.parametrize(
    ("shift", "differs"),
    [
        ("anatomy", {"phantom": "brain"}),
        ("acceleration", {"acceleration": 2.0}),
        ("modality", {"shift": (("contrast", 2.0),)}),
        ("dataset", {"shift": (("contrast", 2.0), ("resolution", 0.5), ("noise", 4.0)), "center_fraction": 0.16}),
    ],
)
def test_the_target_differs_from_the_source_in_what_the_shift_says(shift, differs, weights, runs, tmp_path):
    assert study(weights, tmp_path / "study", "--shift", shift) == 0
    for config in runs:
        usual = {"phantom": "knee", "acceleration": 4.0, "shift": (), "center_fraction": 0.08}
        assert {name: getattr(config, name) for name in usual} == usual | differs


def test_data_of_ones_own_are_taken_as_they_are(weights, runs, tmp_path):
    assert study(weights, tmp_path / "study", "--shift", "dataset", "--data", "x.h5") == 0
    config = runs[0]
    assert (config.data, config.shift, config.center_fraction) == ("x.h5", (), 0.08)


def test_runs_of_other_weights_are_not_taken(weights, tmp_path):
    def before(sha256):
        methods = {"unet_complex": {"weights": {"sha256": sha256}}}
        return SimpleNamespace(record=SimpleNamespace(methods=methods))

    assert not ttt._same_weights(before("other"), weights["source-sup"])
    assert ttt._same_weights(before(read_weights(weights["source-sup"]).sha256), weights["source-sup"])


def test_the_interval_is_by_volume():
    before, after = np.array([0.2, 0.2, 0.1, 0.1]), np.array([0.1, 0.1, 0.0, 0.0])
    found = gap.closed(before, after, ["a", "a", "b", "b"])
    np.testing.assert_allclose(found.fraction, 1 - 0.2 / 0.6)
    # For two volumes a range: half of the gap of one volume is closed, and all of the other's.
    assert found.interval == (0.5, 1.0, "range", 2)
    assert gap.closed(before, after, ["a"] * 4).interval is None
    assert gap.closed(-before, after, ["a", "a", "b", "b"]).fraction is None
    assert gap.closed(np.array([0.5, -0.4]), after[:2], ["a", "b"]).interval is None
    # For more volumes Student's t, of the ratio; slices of a volume carry no more information than one.
    rng = np.random.RandomState(0)
    before, after = 0.2 + 0.05 * rng.normal(size=8), 0.1 + 0.05 * rng.normal(size=8)
    once, twice = (
        gap.closed(np.repeat(before, n), np.repeat(after, n), [*np.repeat(list("abcdefgh"), n)]) for n in (1, 2)
    )
    assert once.interval.low < once.fraction < once.interval.high < 1
    assert twice.interval == (pytest.approx(once.interval.low), pytest.approx(once.interval.high), "95 %", 8)


def test_a_published_share_is_judged_by_the_interval():
    def said(low, high, cases=("a", "b")):
        interval = {"low": low, "high": high, "kind": "95 %", "volumes": 9}
        closed = {"fraction": (low + high) / 2, "interval": interval}
        one = {"before": 0.2, "after": 0.1, "closed": closed, "published": 0.97}
        model = {"before": 0.5, "after": 0.6, "change": 0.1, "interval": None}
        record = {"shift": "anatomy", "network": "unet", "metric": "ssim", "cases": cases}
        models = {f"{side}-{kind}": model for side in ("source", "target") for kind in ("self", "sup")}
        return gap.sentences(record | {"gaps": {"self": one}, "models": models})

    assert said(0.8, 1.06)[0].endswith("93 % of it is closed (95 %: 80 to 106); " + _PUBLISHED + "97 %, not excluded")
    assert said(0.5, 0.76)[0].endswith("97 %, no")
    alone = said(0.8, 1.06, ("a",))
    assert alone[0] == "one image is an example and no finding"
    assert not any("published" in one for one in alone)


_PUBLISHED = "published (anatomy, unet, one image of the code's notebooks): "


def test_published_fractions_follow_from_the_published_scores():
    np.testing.assert_allclose(gap.published("anatomy", "unet", "self"), 1 - (0.9263 - 0.9216) / (0.9077 - 0.7218))
    np.testing.assert_allclose(gap.published("anatomy", "unet", "sup"), 1 - (0.9096 - 0.847) / (0.9185 - 0.8552))
    assert gap.published("acceleration", "varnet", "self") is None  # the source was ahead


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--network", "varnet"], 2, "--source-self: no such weights are shipped; train them by bench.train"),
        (["--shift", "dataset", "--data", "x.h5"], 2, "--source-sup: no such weights"),
        (
            ["--shift", "modality"],
            2,
            "train them by bench.train --method unet_complex --phantom knee --shift contrast=2",
        ),
        (["--redraw", "--output", "nowhere"], 3, "nowhere/source-sup-before: holds no finished run"),
        (["--redraw", "--limit", "3"], 2, "--limit: --redraw takes the study's runs as they are; leave the flag out"),
        (["--shift", "anatom"], 2, "did you mean 'anatomy'?"),
    ],
)
def test_mistakes_are_one_line(flags, code, problem, capsys):
    assert ttt.main(flags) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]


def test_test_time_training_is_attacked_end_to_end(weights, tmp_path, capsys):
    path = tmp_path / "volume.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = phantom.case("knee", "train", 0, (40, 32)).kspace[None]
    flags = ["--weights", weights["source-sup"], "--data", str(path), "--steps", "2", "--eps", "0.1", *SAMPLING]
    settings = ["--set", "n_steps=3", "window=1", "gradient_steps=1", "learning_rate=0.001"]
    common = ["--method", "ttt_unet", "--json", "--output", str(tmp_path / "runs"), *flags, *settings]
    assert attack.main(common) == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert "the weights were trained without the loss that is fitted" in output.err
    record = json.loads(output.out)
    told = record["methods"]["ttt_unet"]
    assert (told["config"]["channels"], told["config"]["n_steps"]) == (4, 3)
    assert told["weights"]["card"]["method"] == "unet_complex"
    assert record["threat_model"]["knowledge"].endswith("and the random seed of the samples withheld")
    assert all(row["attacked"] < row["clean"] for row in record["summary"] if row["metric"] == "psnr")
    # These weights are random.
    assert record["flags"]["worse than zero-filled"] == 1
