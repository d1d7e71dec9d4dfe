"""bench.train: exact resume, options, one-line errors; bench.attack reads its weights."""

import json

import chex
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import attack, train
from bench.training import data, loop, step
from bench.training.config import FORM, TrainConfig
from bench.training.examples import Batch
from data_prep import phantom
from data_prep.files import list_cases
from data_prep.shifts import shifted
from data_prep.weights import read_weights
from jaxcs.recon import METHODS
from jaxcs.weights import archive
from jaxcs.weights.errors import WeightsError

SAMPLING = ("--center-fraction", "0.25", "--acceleration", "2.5")


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images.h5")


def write_images(path):
    """Write six small smooth complex images, two of them for validation."""
    rng = np.random.default_rng(0)
    v, u = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 32), indexing="ij")
    discs = [(u - a) ** 2 + (v - b) ** 2 < 0.3 for a, b in rng.uniform(-0.5, 0.5, (6, 2))]
    with h5py.File(path, "w") as file:
        file["image"] = (np.array(discs) * np.exp(1j * u)).astype(np.complex64)
        file["validation"] = np.arange(6) >= 4
    return path


def arguments(images, output, *more):
    quick = ["--method", "unet", "--variant", "u5", "--steps", "6", "--every", "2", *SAMPLING]
    return [*quick, "--data", str(images), "--output", str(output), *map(str, more)]


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_killed_training_resumes_exactly(images, tmp_path, monkeypatch, capsys):
    assert train.main(arguments(images, tmp_path / "whole")) == 0
    (whole,) = (tmp_path / "whole").iterdir()
    assert [line["step"] for line in lines(whole) if "loss" in line] == list(range(1, 7))

    # Killed after step 5, with a last checkpoint of step 4: nothing of the process survives.
    log = loop.Training._log

    def killed(self, line):
        log(self, line)
        if line.get("loss") and line["step"] == 5:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_log", killed)
        assert train.main(arguments(images, tmp_path / "killed")) == 1
    (part,) = (tmp_path / "killed").iterdir()
    assert train.main(["--resume", str(part)]) == 0
    assert "resuming after step 4" in capsys.readouterr().err
    assert lines(part) == lines(whole)
    mine, other = (read_weights(folder / "weights.safetensors") for folder in (part, whole))
    chex.assert_trees_all_equal(mine.params, other.params)
    assert (whole / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_weights_of_a_training_are_attacked(images, tmp_path, capsys):
    assert train.main(arguments(images, tmp_path, "--steps", "2")) == 0
    (folder,) = tmp_path.glob("*unet*")
    flags = ["--weights", str(folder / "weights.safetensors"), "--data", str(images), "--eps", "0.05", "--steps", "2"]
    common = ["--method", "unet", "--output", str(tmp_path / "runs"), *SAMPLING, *flags]
    assert attack.main([*common, "--json", "--limit", "1"]) == 0, capsys.readouterr().err
    output = capsys.readouterr()
    assert "coils and the added noise are simulated" in output.err
    assert "weights of unet trained on: images.h5, 4 training images, coils and added noise simulated" in output.err
    record = json.loads(output.out)
    card = record["methods"]["unet"]["weights"]["card"]
    assert card["training"]["variant"] == "u5"
    # The fields with which a run compares its scores.
    assert (card["validation"]["images"], card["validation"]["ssim_spread"] > 0) == (2, True)
    # After two steps the network is still useless.
    assert record["flags"]["worse than zero-filled"] == 1
    assert record["methods"]["unet"]["weights"]["sha256"] == read_weights(folder / "weights.safetensors").sha256
    rows = [
        json.loads(line) for line in (next((tmp_path / "runs").iterdir()) / "images.jsonl").read_text().splitlines()
    ]
    assert rows[0]["case"] == "images.h5:4"  # the first image for validation
    assert all(0 <= row["clamped"] <= 1 and 0 <= row["clamped_clean"] <= 1 for row in rows)
    assert attack.main([*common, "--method", "varnet"]) == 2
    assert "they are weights of unet" in capsys.readouterr().err


def configuration(**changes):
    names = vars(train.parser().parse_args(["--method", "unet", "--variant", "u5", "--loss", "l2"]))
    names |= {"phantom": ("knee",), "shift": (), "acquisition": (), "precision": "float32"}
    return TrainConfig(**{name: names[name] for name in TrainConfig.__dataclass_fields__} | changes)


def gradient_step(config):
    """The updated parameters and the loss of one step on two fixed examples."""
    rng = np.random.default_rng(0)
    kspace, maps = rng.normal(size=(2, 3, 12, 10, 2)) @ [1, 1j], np.zeros(2, np.complex64)
    batch = Batch(
        kspace.astype(np.complex64), rng.random((2, 10)) < 0.7, rng.random((2, 12, 10)).astype(np.float32), maps
    )
    batch = Batch(*(leaf.reshape(config.accumulate, config.batch, *leaf.shape[1:]) for leaf in batch))
    method = METHODS["unet"].build(METHODS["unet"].presets["u5"])
    functions = step.build(config, method)
    state = functions.init(method.init(jax.random.key(0)))
    for _ in range(2):  # the learning rate is 0 in the first step
        state, loss = functions.step(state, batch, jax.random.key(1))
    return state.params, float(loss)


@pytest.fixture(scope="module")
def plain():
    return gradient_step(configuration(batch=2))


def test_accumulated_batches_equal_one_large_batch(plain):
    params, loss = gradient_step(configuration(batch=1, accumulate=2))
    np.testing.assert_allclose(loss, plain[1], rtol=1e-5)
    # Adam divides by the gradient's size, so that its rounding is visible at gradients near 0.
    moved = [np.abs(a - b) for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(plain[0]), strict=True)]
    assert np.mean(np.concatenate([change.ravel() for change in moved])) < 1e-6


@pytest.mark.parametrize(
    ("changes", "harder"),
    [({"adversarial_eps": 0.3}, True), ({"jitter": 1e-9}, None), ({"precision": "bfloat16"}, None)],
)
def test_options_change_the_loss_as_they_should(plain, changes, harder):
    params, loss = gradient_step(configuration(batch=2, **changes))
    assert all(leaf.dtype == jnp.float32 and np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(params))
    if harder:
        assert loss > 1.02 * plain[1]
    else:
        np.testing.assert_allclose(loss, plain[1], rtol=2e-2)


def test_data_that_do_not_say_what_to_validate_on_are_refused(tmp_path, capsys):
    path = tmp_path / "images.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.ones((2, 32, 40), np.complex64)
    common = ["--method", "unet", "--variant", "u5", "--output", str(tmp_path / "runs"), "--data", str(path)]
    assert train.main(common) == 2
    assert "does not say which slices are for validation" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--variant", "v1"], 2, "--variant v1: unet has no such variant; its variants are: u1, u2"),
        (["--rows", "8", "--mask", "poisson"], 2, "--rows: a poisson mask"),
        (["--data", "nowhere.h5"], 3, "nowhere.h5"),
        (["--shift", "thickness=3"], 2, "--shift thickness: a training reads no neighbouring slices"),
        (["--shift", "noise=0.5"], 2, "--shift noise=0.5: noise is 0.5, must lie in 1 to 1000"),
        (["--initial", "nowhere.safetensors"], 3, "nowhere.safetensors"),
        (["--loss", "sim"], 2, "did you mean 'ssim'?"),
        (["--method", "diffusion", "--loss", "ssim"], 2, "--loss: diffusion is trained to denoise images"),
        (["--method", "diffusion", "--jitter", "0.1"], 2, "--jitter: diffusion is trained to denoise images"),
    ],
)
def test_mistakes_are_one_line(flags, code, problem, tmp_path, capsys):
    assert train.main(["--method", "unet", "--output", str(tmp_path / "runs"), "--images", "1", *flags]) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        ([], 3, "nowhere/train.json: is missing; name what bench.train made"),
        (["--device", "cpu"], 3, "nowhere/train.json: is missing; name what bench.train made"),
        (["--steps", "4"], 2, "--steps: the training in nowhere goes on as it was begun; leave the flag out, or begin"),
        (["--output=elsewhere"], 2, "--output: the training in nowhere goes on as it was begun"),
    ],
)
def test_beside_resume_there_is_no_flag_of_what_is_trained(flags, code, problem, capsys):
    assert train.main(["--resume", "nowhere", *flags]) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert problem in line


def test_every_scan_of_a_training_is_shifted_as_in_an_attack(images):
    shift = (("resolution", 0.5), ("noise", 4.0))
    opened = data.open_examples(str(images), None, ("knee",), None, None, shift)
    assert opened.description.endswith(
        "shifted: resolution 0.5 (share of k-space's rows and columns), noise 4 (times the noise's standard deviation)"
    )
    for examples, validation in ((opened.training, False), (opened.validation, True)):
        found = list_cases(str(images), validation)
        for index, one in enumerate(found.slices):
            expected = shifted(found.read(one), shift)
            np.testing.assert_array_equal(examples.case(index).kspace, expected.kspace)
            assert examples.case(index).kspace.shape == examples.shapes[index]


def test_families_take_turns_and_a_share_of_each_is_shifted():
    shift = (("resolution", 0.5),)
    opened = data.open_examples(None, None, ("knee", "brain"), 4, 2, shift, 0.5)
    assert opened.description.startswith(
        "built-in phantom (knee and brain), 4 training images, 50 % shifted: resolution"
    )
    for index, family in enumerate(("knee", "brain") * 2):
        case = phantom.case(family, "train", index // 2)
        expected = shifted(case, shift) if index // 2 % 2 else case
        np.testing.assert_array_equal(opened.training.case(index).kspace, expected.kspace)
        assert expected.kspace.shape == opened.training.shapes[index]
    assert opened.validation.case(1).name == phantom.case_name("brain", "validation", 0)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--phantom", "knee", "brain", "knee"], "--phantom knee: is named twice; name it once"),
        (["--phantom", "knee", "thorax"], "--phantom thorax: varnet reconstructs k-space; use --phantom knee or brain"),
        (["--shifted", "0.5"], "--shifted: is the share of the scans that --shift changes; give --shift too"),
    ],
)
def test_mistakes_in_what_is_mixed_are_one_line(flags, problem, capsys):
    assert train.main(flags) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("families", [("knee",), ("knee", "brain", "head")])
def test_the_configuration_survives_the_round_trip(families):
    config = configuration(
        phantom=families, shift=(("contrast", 2.0),), shifted=0.5, mask="random", acceleration=4.0, center_fraction=0.08
    )
    content = json.loads(json.dumps(config.to_dict()))
    FORM(content)
    assert TrainConfig.from_dict(content) == config


def test_a_record_from_before_a_field_is_read_and_keeps_its_fingerprint():
    content = configuration(mask="random", acceleration=4.0, center_fraction=0.08).to_dict()
    assert (content["phantom"], "shifted" in content) == ("knee", False)
    assert TrainConfig.from_dict(content).to_dict() == content
    with pytest.raises(ValueError, match="the list is empty"):
        FORM(content | {"phantom": []})


# ---- The format of weights.


def test_weights_survive_the_round_trip():
    params = {"a": {"b": jnp.arange(3.0)}, "c": jnp.float32(0.5)}
    found, card = archive.decode(archive.encode(params, {"method": "unet"}))
    chex.assert_trees_all_equal(found, params)
    assert card["method"] == "unet"
    assert len(card["sha256"]) == 64


def test_damaged_weights_are_refused():
    content = archive.encode({"a": jnp.arange(3.0)}, {"method": "unet"})
    damaged = [b"", content[:20], content[:-1], content[:-1] + bytes([content[-1] ^ 1]), b"\xff" * 8 + content]
    for bad in damaged:
        with pytest.raises(WeightsError):
            archive.decode(bad)
    with pytest.raises(WeightsError, match="tensor a is not finite"):
        archive.decode(archive.encode({"a": jnp.array([1.0, jnp.nan])}, {}))


def test_weights_of_another_network_are_refused():
    like = {"a": jnp.zeros(3), "b": jnp.zeros(2)}
    for params, problem in (
        ({"a": jnp.zeros(3)}, "tensor b is missing"),
        (like | {"c": jnp.zeros(1)}, "tensor c has no place"),
        (like | {"a": jnp.zeros(4)}, r"tensor a has shape \(4,\), the network needs \(3,\)"),
    ):
        with pytest.raises(WeightsError, match=problem):
            archive.check(params, like)
