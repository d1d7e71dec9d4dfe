"""bench.stability: tiny studies from the command line to the record, maps whose gain is known, and mistakes."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import stability
from bench.evaluate import subjects
from bench.findings.published import ON_STABILITY
from bench.plan.config import RunConfig, Sampling
from bench.slices.prepare import prepare
from bench.studies.stability import (
    cast,
    findings,
    finish,
    functions,
    numbers,
    one_image,
    perturbation,
    sweep,
    tables,
    units,
    worlds,
)
from bench.studies.stability.cast import COMPARATOR, TESTED, Cast, Member
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.samples import NOISE_FREE
from bench.studies.stability.worlds import WORLDS, World
from data_prep import phantom
from jaxcs import recon
from jaxcs.attacks import momentum
from jaxcs.catalogue import ATTACKS, CT_PHANTOMS, KSPACE, MASKS, METHODS, SINOGRAM
from jaxcs.complex import l2_norm
from jaxcs.fourier import ifft2c
from jaxcs.keys import new_key
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.operators.radon import enough_detectors
from jaxcs.recon import shearlets
from jaxcs.types import Reconstructor, SliceData
from tests.helpers.claim_records import perturbed, read, sampled

SHAPE = (40, 32)
# Neither iterates, and so little is compiled.
COMPILED = {}
TINY = World(comparator="sense", sampling=Sampling("random", 2.5, 0.25), accelerations=(3.0, 2.5, 1.2), symbols=1.2)


@pytest.fixture
def data(tmp_path):
    """Two small slices with their own coil maps."""
    kspace = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(2)])
    images = np.asarray(ifft2c(jnp.asarray(kspace)))
    path = tmp_path / "small.h5"
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["maps"] = images / np.sqrt(np.sum(np.abs(images) ** 2, axis=1, keepdims=True))
    return path


@pytest.fixture
def tiny(monkeypatch):
    """The world of zero-filling with no method that iterates, whose functions are compiled once for all tests."""

    def build(subject, method_config, constants, steps, ascent, residual):
        kind = (subject.label, constants, steps, residual)
        if kind not in COMPILED:
            COMPILED[kind] = functions.build(subject, method_config, constants, steps, ascent, residual)
        return COMPILED[kind]

    monkeypatch.setattr(one_image, "build", build)
    monkeypatch.setitem(WORLDS, "zero_filled", TINY)
    monkeypatch.setattr(cast, "CONTROLS", ())


def run(*arguments):
    return stability.main([*map(str, arguments)])


def started(data, output, *more):
    code = run("--data", data, "--output", output, "--method", "zero_filled", "--steps", 5, "--limit", 1, *more)
    return code, next(output.iterdir(), None) if output.is_dir() else None


def rows_of(folder, kind):
    rows = map(json.loads, (folder / "images.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == kind]


def test_worlds_name_what_there_is():
    claims = {claim.name for claim in ON_STABILITY}
    for name, world in WORLDS.items():
        method = METHODS[worlds.method_of(name)]
        data = SINOGRAM if world.phantom else KSPACE
        assert data in method.takes
        assert data in METHODS[world.comparator].takes
        assert world.comparator != worlds.method_of(name)
        assert world.sampling.mask in ((worlds.VIEWS,) if world.phantom else MASKS)
        assert world.phantom in ("", *CT_PHANTOMS)
        assert world.constants is None or world.constants in ATTACKS["momentum"].presets
        assert set(world.published) <= set(worlds.STUDIES)
        assert {one.claim for one in world.published.values()} <= claims | {None}
        assert not world.accelerations or world.sampling.acceleration in world.accelerations


@pytest.mark.parametrize("name", worlds.ANTUN)
def test_the_command_that_makes_weights_is_one_that_bench_train_takes(name):
    from bench import train

    program, *flags = worlds.training(name).split()[2:]
    assert program == "bench.train"
    config = train.configuration(train.parser().parse_args(flags))
    assert config.method == worlds.method_of(name)
    if WORLDS[name].phantom:
        assert config.phantom == (WORLDS[name].phantom,)
    else:
        assert config.mask == WORLDS[name].sampling.mask


def test_a_study_that_was_stopped_goes_on_to_the_same_record(data, tmp_path, tiny, monkeypatch, capsys):
    flags = ["--study", "perturbation", "--sweep"]
    with monkeypatch.context() as patch:
        patch.setattr(finish, "draw_into", lambda *arguments, **more: None)
        code, whole = started(data, tmp_path / "whole", *flags)
    assert code == 0
    printed = capsys.readouterr().out
    record = units._record
    calls = iter(range(100))

    def stopping(*arguments, **more):
        # After Algorithm 1, whose norm the next unit takes from the record.
        if next(calls) == 4:
            raise KeyboardInterrupt
        return record(*arguments, **more)

    monkeypatch.setattr(units, "_record", stopping)
    code, part = started(data, tmp_path / "part", *flags)
    assert code == 130
    assert f"--resume {part}" in capsys.readouterr().err
    monkeypatch.setattr(units, "_record", record)
    assert run("--resume", part) == 0
    for name in ("summary.csv", "images.jsonl", "tables.md"):
        assert (part / name).read_bytes() == (whole / name).read_bytes()
    stored = json.loads((part / "run.json").read_text())
    assert (stored["status"], stored["resumed"]) == ("done", 1)
    assert stored["methods"]["zero_filled"]["constants"]["preset"] == "auto"
    for figure in ("perturbation", "sweep"):
        assert (part / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert "| zero_filled | auto | 0.05 of the squared singular value |  | from the largest" in printed
    # Linear maps that shrink all images are not called unstable, and nothing moves what ignores its data.
    attacked = rows_of(whole, "perturbation")
    assert all(0 < row["gain"] < 1.0001 for row in attacked if row["method"] in ("zero_filled", "sense"))
    assert {row["gain"] for row in attacked if row["method"] == "ignores data"} == {0}
    assert "zero_filled: it amplifies no perturbation" in printed
    assert "one image is an example and no finding" in printed
    assert all(row["singular_value"] < 1.0001 for row in rows_of(whole, "clean"))
    # Every step with every penalty and three more momenta, each after three numbers of steps.
    swept = rows_of(whole, "sweep")
    assert len(swept) == 12 * 3
    assert all(0 < row["gain"] < 1.0001 for row in swept)
    own, usual = (
        next(row for row in rows if row["method"] == "zero_filled" and row["steps"] == 5 and of_the_study(row))
        for rows, of_the_study in (
            (attacked, lambda row: row["attack"] == worlds.ALGORITHM_1),
            (swept, lambda row: numbers.constants_of(row) == (1, 1, 0.9)),
        )
    )
    assert (usual["norm"], usual["gain"]) == pytest.approx((own["norm"], own["gain"]), rel=1e-5)
    assert "zero_filled: with 12 choices of the attack's constants (step times 0.3 to 3, penalty times 0.1" in printed
    assert "above 1 in 0 of 36" in printed
    # The comparator's perturbation has the norm of the tested method's.
    norms = [row["norm"] for row in attacked if row["attack"] == worlds.PROJECTED]
    assert norms == pytest.approx([max(row["norm"] for row in attacked if row["steps"] == 5)] * len(norms))


def test_symbols_are_read_and_samples_help_where_they_must(data, tmp_path, tiny):
    code, folder = started(data, tmp_path / "out", "--study", "structure", "samples")
    assert code == 0
    for figure in ("structure", "samples"):
        assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    # More samples improve SENSE of data without noise, and change nothing if the data are ignored.
    scored = rows_of(folder, "samples")
    assert numbers.trend(scored, NOISE_FREE)[0] == numbers.IMPROVES
    assert numbers.trend(scored, "ignores data")[:2] == (numbers.STAGNATES, pytest.approx(0, abs=1e-3))
    shares = [row["share"] for row in scored if row["method"] == "sense"]
    assert shares == sorted(shares)
    assert [row["trained"] for row in scored if row["method"] == "sense"] == [False, True, False]
    shown = {row["method"]: row for row in rows_of(folder, "structure")}
    assert shown["ignores data"]["read"] == 0
    assert (shown["fully sampled"]["read"], shown["fully sampled"]["kept"]) == (13, pytest.approx(1))


def test_the_gain_of_a_linear_map_is_its_largest_singular_value():
    # f(A x) = Re(x) + 3 <v, Re(x)> v of whole data has the singular values 4 and 1.
    v = np.zeros(SHAPE, np.float32)
    v[20, 10:20] = 10**-0.5

    def apply(params, measurement, key):
        x = jnp.real(ifft2c(measurement.kspace[0]))
        return x + 3 * v * jnp.sum(v * x)

    (plain,) = subjects.sources(RunConfig(method="zero_filled", attack="noise", eps=(0.0,)))
    linear = plain._replace(
        label="linear", method=recon.METHODS["zero_filled"]._replace(build=lambda _: Reconstructor(lambda _: {}, apply))
    )
    members = (Member("linear", TESTED, linear), Member("zero_filled", COMPARATOR, plain))
    world = Cast("zero_filled", TINY, plain.config, members)
    case = phantom.case("knee", "train", 0, SHAPE)
    kspace = case.kspace[:1] + 0j
    whole = case._replace(
        kspace=kspace, maps=np.ones_like(kspace), mask=np.ones(SHAPE[1], bool), target=np.abs(ifft2c(kspace[0]))
    )
    constants = perturbation.constants_of(world, StabilityConfig(("perturbation",), ("zero_filled",), steps=40))
    one = one_image.on(world, prepare(whole, plain.config), {}, constants, steps=15)
    (row,), _ = perturbation.clean(one, "linear", linear=True)
    assert row["singular_value"] == pytest.approx(4, rel=1e-3)
    rows, _ = perturbation.climbed(one, constants)
    last = {row["method"]: row for row in rows if row["steps"] == 40}
    assert last["linear"]["gain"] == pytest.approx(4, rel=1e-2)
    assert functions.ARRIVAL / 4 < last["linear"]["norm"] < 1.001 * functions.ARRIVAL
    assert last["linear"]["gain_noise"] < 1.2
    assert 0.5 < last["zero_filled"]["gain"] <= 1.0001
    assert numbers.amplifies([row | {"kind": "perturbation"} for row in rows])
    for point in (sweep.Point(3.0, 0.1, 0.0), sweep.Point(1.0, 10.0, 0.5)):
        swept, _ = sweep.swept(one, constants, point)
        assert swept[-1]["gain"] == pytest.approx(4, rel=1e-2)
    pushed, _ = perturbation.pushed(one, "linear", perturbation.tested_norm(rows), 15)
    assert pushed[0]["gain"] == pytest.approx(4, rel=1e-2)


def test_the_worst_perturbation_of_filtered_back_projection_is_exact():
    """By the singular values of its matrix: image -> sinogram -> image."""
    size, views = 12, 5
    (fbp,) = subjects.sources(RunConfig(method="fbp", phantom="ellipses", attack="noise", eps=(0.0,)))
    a = ParallelBeam(jnp.ones((1, size, size), jnp.float32), jnp.ones((enough_detectors(size), views), bool))
    x = jnp.zeros((size, size), jnp.float32).at[3:8, 4:9].set(1)
    data = SliceData(a.forward(x), a.mask, a.maps, x, jnp.float32(1), jnp.eye(1, dtype=jnp.float32))
    made = functions.build(fbp, fbp.method_config, momentum.PRESETS["auto"], 1)
    staged = made.stage(data)
    clean = made.image(staged, data.kspace, new_key(0))
    r = made.worst(staged, clean, jnp.float32(0.02), new_key(1), new_key(0))
    assert float(l2_norm(r)) == pytest.approx(0.02 * float(l2_norm(x)), rel=1e-4)
    basis = jnp.eye(size * size).reshape(-1, size, size)
    matrix = jax.vmap(lambda image: a.fbp(a.forward(image)).ravel())(basis).T
    change = made.image(staged, functions.perturbed(data, r), new_key(0)) - clean
    assert float(l2_norm(change) / l2_norm(r)) == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-3)


def test_a_finding_compares_the_network_with_its_linear_start_under_their_own_worst():
    rows = perturbed("ell50", [(3.0, 1.0)] * 6)
    rows += [row | {"method": "fbp"} for row in rows if row["kind"] == "clean" and row["role"] == "control"]
    under = [row for row in rows if row["kind"] == "perturbation" and row["role"] == "tested"]
    for gain, words in ((16.0, "it is more sensitive than"), (2.0, "it is no more sensitive than")):
        told = {"attack": worlds.SINGULAR, "source": "fbp", "steps": 60}
        more = [
            row | told | {"method": name, "role": role, "gain": value}
            for row in under
            for name, role, value in (("fbp", "control", gain), ("ell50", "tested", 1.5))
        ]
        said = findings.findings([*rows, *more])[-1]
        assert f"fbp is linear, and has gain {gain:.2f} under its own worst" in said
        assert f"{words} ell50, whose largest gain found is 3.00" in said
        assert "| gain, worst for fbp |" in tables.tables([*rows, *more])
    assert "worst for fbp" not in tables.tables(rows)


def test_another_comparator_has_its_own_settings():
    config = StabilityConfig(("perturbation",), ("ell50",), comparator="shearlets")
    made = cast.cast("ell50", config, {})
    (other,) = (one for one in made.members if one.role == COMPARATOR)
    assert (other.label, other.subject.method_config) == ("shearlets", shearlets.PRESETS["radon_noisy"])
    assert StabilityConfig.from_dict(config.to_dict()) == config
    assert "comparator" not in replace(config, comparator=None).to_dict()


def test_published_claims_are_judged_over_images():
    for gains, words in (
        ([(3 + 0.1 * n, 1.0) for n in range(6)], ("yes", "yes")),
        ([(0.5 + 0.01 * n, 1.0) for n in range(6)], ("no", "no")),
        ([(3.0, 1.0)] * 3, ("cannot tell", "cannot tell")),
    ):
        rows = perturbed("mri_vn", gains)
        unstable, affected = numbers.judged("mri_vn", rows)["perturbation"]
        assert (unstable.verdict, affected.verdict) == words
        assert f"(PNAS 2020, Figs. 1 to 3): {words[0]}" in findings.findings(rows)[-1]


def test_nothing_is_said_about_a_network_that_is_not_trained():
    (said,) = findings.findings(perturbed("mri_vn", [(3.0, 1.0)] * 6, clean=20.5))
    assert said == "mri_vn: is under-trained, 20.5 dB where zero-filling has 20.0: its stability says nothing"


@pytest.mark.parametrize(
    ("change", "word", "verdict"),
    [
        (lambda image: 3 + 0.1 * image, numbers.IMPROVES, "no"),
        (lambda image: -3 - 0.1 * image, numbers.DETERIORATES, "yes"),
        (lambda image: 0.1 * (-1) ** image, numbers.STAGNATES, "not excluded"),
        (lambda image: 6.0 * (image == 0), numbers.UNSURE, "not excluded"),
    ],
)
def test_the_change_with_more_samples_has_a_word(change, word, verdict):
    rows = sampled("dagan", [change(image) for image in range(6)])
    assert numbers.trend(rows, "dagan")[0] == word
    assert numbers.judged("dagan", rows)["samples"][0].verdict == verdict
    assert f"dagan: with more samples than trained it {word} (" in findings.findings(rows)[-1]


def test_a_method_is_behind_another_from_where_it_stays_behind():
    points = {"unet": (20, 25, 28, 27), "bpdn": (21, 22, 27, 30), "zero_filled": (15, 16, 17, 18)}
    rows = [
        {"kind": "samples", "method": name, "acceleration": 8.0 - step, "share": 0.1 * (step + 1), "psnr": value}
        for name, values in points.items()
        for step, value in enumerate(values)
    ]
    assert numbers.behind_from(rows, "unet", "bpdn") == pytest.approx(0.4)
    assert numbers.behind_from(rows, "unet", "zero_filled") is None
    assert numbers.rising(rows, "unet") == (2, 3)


def test_symbols_are_compared_with_those_of_the_comparator():
    rows = read("dagan", [(4, 12), (3, 11)] * 3)
    (claim,) = numbers.judged("dagan", rows)["structure"]
    assert claim.verdict == "yes"
    assert claim.parts[0].value == pytest.approx(-8 / 13)
    assert "dagan 3.5 (0.0), shearlets 11.5 (0.0)" in findings.findings(rows)[-1]


def test_published_constants_are_those_of_the_attack():
    config = StabilityConfig(("perturbation",), ("mri_vn",))
    made = Cast("mri_vn", WORLDS["mri_vn"], None, ())
    assert perturbation.constants_of(made, config) == momentum.PRESETS["mri_vn"]
    deepmri = made._replace(name="deepmri", world=WORLDS["deepmri"])
    fewer = perturbation.constants_of(deepmri, StabilityConfig(("perturbation",), ("deepmri",), steps=60))
    assert (fewer.n_steps, fewer.snapshots) == (60, (20, 40, 60))
    auto = perturbation.constants_of(deepmri, StabilityConfig(("perturbation",), ("deepmri",), constants="auto"))
    assert auto.step is None


def test_the_table_of_constants_has_those_in_print_and_those_of_our_units():
    entry = {"constants": asdict(momentum.PRESETS["deepmri"]) | {"preset": "deepmri"}}
    *_, line = tables.constants({"deepmri": entry}).splitlines()
    # lambda and eta of the paper's Table 1, whose gradient is 1.526e-5 of ours.
    assert line.startswith("| deepmri | deepmri | 65.5 | 0.001 | 1.53e-07 | 0.01 | 0.01 | 0.9 | 2000, 4000, 6000 |")


def test_noise_has_the_norm_that_is_asked_for():
    noise = functions.noise_like(jnp.zeros(SHAPE, jnp.complex64), jnp.float32(0.7), new_key(0))
    assert float(l2_norm(noise)) == pytest.approx(0.7, rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--method", "zero"], 2, "unknown name 'zero'"),
        (["--study", "text"], 2, "unknown name 'text'"),
        (["--method", "deepmri"], 2, "python -m bench.train --method deepmri --variant small --mask gaussian"),
        (["--method", "ell50", "--shift", "noise=2"], 2, "the sinograms of ell50 have no shifts"),
        (["--method", "automap", "--study", "samples"], 2, "is for one mask"),
        (["--study", "structure", "--sweep"], 2, "--sweep: is about the attack; add perturbation to --study"),
        (["--study", "samples", "--residual", "complex"], 2, "--residual complex: is about the attack"),
        (["--study", "structure", "--constants", "auto"], 2, "--constants auto: is about the attack"),
        (["--like", "antun2020"], 2, "is about deepmri, automap, dagan, mri_vn, ell50, med50; name some of these"),
        (["--residual", "complex"], 2, "--residual complex: zero_filled has no complex image to compare"),
        (["--like", "rc2021"], 2, "unknown name 'rc2021'"),
        (["--weights", "deepmri=x"], 2, "is not tested"),
        (["--method", "tv", "--comparator", "tv"], 2, "--comparator tv: is the tested method of tv; choose another"),
        (["--method", "med50", "--comparator", "bpdn"], 2, "the data of med50 are sinograms; choose another"),
        (["--weights", "zero_filled=x"], 2, "is not trained"),
        (["--method", "deepmri", "--weights", "deepmri=nowhere.npz"], 3, "nowhere.npz"),
        (["--data", "nowhere"], 3, "nowhere"),
    ],
)
def test_a_mistake_is_one_line(data, tmp_path, capsys, flags, code, problem):
    found, folder = started(data, tmp_path / "out", *flags)
    error = capsys.readouterr().err.splitlines()[-1]
    assert (found, folder) == (code, None)
    assert error.startswith("bench.stability: error: ")
    assert problem in error


def test_what_goes_on_is_a_study_as_it_was(tmp_path, capsys):
    assert run("--resume", tmp_path, "--limit", "2") == 2
    assert "goes on as it was begun" in capsys.readouterr().err
    assert run("--resume", tmp_path / "nowhere") == 3


def test_help_needs_no_jax():
    code = "import sys\nfrom bench import stability\nstability.parser().format_help()\nassert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
