"""Published protocols: the settings of each, and the papers' scores against NumPy."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench import attack
from bench.evaluate import subjects
from bench.plan.conventions import CONVENTIONS
from bench.plan.errors import UsageError
from bench.plan.like import LIKE
from jaxcs.attacks import ATTACKS
from jaxcs.recon import METHODS
from jaxcs.scored import region_of

REGION = (4, 6, 12, 10)


def configuration(*arguments):
    return attack.configuration(attack.parser().parse_args(arguments))


def test_every_protocol_names_what_there_is():
    for name, protocol in LIKE.items():
        assert set(protocol.attacks) <= set(METHODS), name
        assert set(protocol.presets) <= set(METHODS), name
        assert all(preset in METHODS[method].presets for method, preset in protocol.presets.items())
        assert all(kind in ATTACKS for kind, _ in protocol.attacks.values())
        assert protocol.differs
        assert CONVENTIONS[name]


@pytest.mark.parametrize(("like", "method"), [(name, m) for name, one in LIKE.items() for m in sorted(one.attacks)])
def test_a_protocol_decides_what_no_flag_does(like, method):
    config = configuration("--method", method, "--like", like)
    for field, value in LIKE[like].fields.items():
        if field != "aim":
            assert getattr(config, field) == value
    (subject,) = subjects.sources(config)
    kind, preset = LIKE[like].attacks[method]
    assert subject.attack.name == kind
    presets = ATTACKS[kind].presets
    assert subject.attack.config in (
        presets.get(preset),
        presets.get(f"l1_{preset}"),
        presets.get(f"untrained_{preset}"),
    )
    other = configuration("--method", method, "--like", like, "--norm", "measured", "--eps", "0.3", "--attack", "apgd")
    assert (other.norm, other.eps) == ("measured", (0.3,))
    assert subjects.sources(other)[0].attack.name == "apgd"


def test_rc2021_is_what_the_paper_ran():
    (l1,) = subjects.sources(configuration("--like", "rc2021"))
    assert l1.method_config == METHODS["l1"].presets["rc2021"]
    assert l1.attack.config == ATTACKS["two_step"].presets["l1_published"]
    (unet,) = subjects.sources(configuration("--like", "rc2021", "--method", "unet"))
    assert unet.attack.config.n_steps == 2000
    assert unet.config.target == "clean"


@pytest.mark.parametrize("region", [None, REGION])
def test_the_papers_scores(region):
    random = np.random.default_rng(0)
    truth = random.random((24, 20)).astype(np.float32) + 0.3
    image = (0.8 * truth + 0.1 * random.random((24, 20)) - 0.05).astype(np.float32)

    def scores(name):
        inside = None if region is None else region_of([region], truth.shape)
        return {key: float(score(image, truth, inside)) for key, score in CONVENTIONS[name].items()}

    box = np.s_[4:16, 6:16] if region else np.s_[:, :]
    matched = (truth - truth.mean()) / truth.std() * image.std() + image.mean()
    found = scores("rc2021")
    assert found["psnr_rc2021"] == pytest.approx(
        peak_signal_noise_ratio(matched[box], image[box], data_range=matched.max()), rel=1e-4
    )
    assert found["ssim_rc2021"] == pytest.approx(
        structural_similarity(matched[box], image[box], data_range=matched.max()), rel=1e-4
    )
    spread = truth.max() - truth.min()
    found = scores("morshuis2022")
    assert found["psnr_morshuis2022"] == pytest.approx(
        peak_signal_noise_ratio(truth[box], image[box], data_range=spread), rel=1e-4
    )
    assert found["ssim_morshuis2022"] == pytest.approx(
        structural_similarity(truth[box], image[box], data_range=spread), rel=1e-4
    )
    assert scores("antun2020")["psnr_antun2020"] == pytest.approx(
        peak_signal_noise_ratio(truth[box], image[box], data_range=image.max()), rel=1e-4
    )
    error = np.linalg.norm(image[box] - truth[box]) / np.linalg.norm(truth[box])
    assert scores("genzel2020")["error_genzel2020"] == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attack", "rotation", "--threat", "shift"], "leave one of the two out"),
        (["--attack", "grid"], "use --threat rotation"),
        (["--threat", "phase", "--norm", "measured"], "--norm: phase has a size of its own"),
        (["--threat", "shift", "--target", "clean"], "--target clean: shift changes the object"),
        (["--attack", "momentum", "--norm", "measured"], "use --norm image"),
        (["--region", "0", "0", "6", "20"], "at least 7 x 7"),
        (["--region", "boxes"], "the phantom knee has no findings; use --phantom brain"),
        (["--region", "boxes", "8"], "give Y X ROWS COLUMNS, boxes or beside"),
        (["--region", "0", "0", "9"], "give Y X ROWS COLUMNS, boxes or beside"),
        (["--region", "0", "0", "9", "box"], "'box' is not a whole number"),
        (["--aim", "image"], "--region"),
        (["--attack", "two_step", "--target", "clean"], "--target: two_step"),
        (["--attack", "two_step", "--threat", "maps"], "--threat maps: two_step"),
    ],
)
def test_flags_that_contradict_each_other(arguments, words):
    with pytest.raises(UsageError, match=words):
        configuration(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "all", "--set", "lam=1"], "write METHOD.lam"),
        (["--method", "all", "--preset", "rc2021"], "several methods are run"),
        (["--victims", "sense", "--weights", "unet-phantom-knee"], "they are weights of unet; name unet in --method"),
        (["--attack", "padam", "--attack-preset", "bounded"], "padam has no such preset; its presets are: genzel2020"),
        (["--attack", "noise", "--steps", "4"], "--steps: noise has no such setting"),
        (["--attack", "two_step", "--steps", "4"], "--steps: two_step has constants of its own"),
        (["--attack", "two_step", "--method", "sense"], "sense minimises no objective"),
        (["--attack", "two_step", "--attack-preset", "mri_vn"], "its presets are: bounded, published"),
        (["--method-seed", "fresh"], "l1 draws nothing at random"),
    ],
)
def test_flags_that_do_not_fit_the_method(arguments, words):
    with pytest.raises(UsageError, match=words):
        subjects.sources(configuration(*arguments))


def test_several_methods_take_their_own_settings():
    config = configuration("--method", "all", "--set", "l1.lam=0.5", "convdecoder.n_steps=7", "--victims", "all", "tv")
    found = {one.label: one for one in subjects.victims(config, subjects.sources(config))}
    assert list(found) == ["l1", "unet", "varnet", "convdecoder", "tv"]
    assert found["l1"].method_config.lam == 0.5
    assert found["convdecoder"].method_config.n_steps == 7
    bases = subjects.sources(configuration("--method", "basis"))
    assert [one.method_config.basis for one in bases] == ["wavelet", "fourier", "dct"]
    assert len({one.label for one in bases}) == 3
