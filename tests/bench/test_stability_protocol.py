"""bench.stability as the paper ran it: --like antun2020, and --residual complex."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from bench import stability
from bench.evaluate import subjects
from bench.plan.config import RunConfig, Sampling
from bench.plan.errors import UsageError
from bench.slices.prepare import prepare
from bench.studies.stability import cast, one_image, protocol, worlds
from bench.studies.stability.cast import TESTED, Cast, Member
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.worlds import WORLDS, World
from data_prep import phantom
from jaxcs.attacks import momentum
from jaxcs.complex import l2_norm
from jaxcs.fourier import ifft2c

SHAPE = (40, 32)
WHOLE = World(comparator="zero_filled", sampling=Sampling("random", 2.5, 0.25))


def test_a_protocol_is_the_networks_of_the_paper_with_its_constants():
    def given(*flags):
        return stability.configuration(stability.parser().parse_args(flags))

    config = given("--like", "antun2020", "--limit", "1")
    assert config.methods == worlds.ANTUN
    assert StabilityConfig.from_dict(config.to_dict()) == config
    assert given("--like", "antun2020", "--method", "med50").methods == ("med50",)
    usual = given("--method", "med50", "unet")
    assert "like" not in usual.to_dict()
    assert given().methods == ("unet",)
    with pytest.raises(UsageError, match="--constants auto: --like antun2020 has the published ones"):
        given("--like", "antun2020", "--constants", "auto")
    presets = {"deepmri": "deepmri", "automap": "automap_fig2", "mri_vn": "mri_vn", "med50": "med50"}
    for name, world in WORLDS.items():
        made = Cast(name, world, None, ())
        if name in worlds.ANTUN:
            assert protocol.preset_of(made, config) == presets.get(name, "auto")
            # Every network whose perturbation the paper has a finding about has its constants.
            assert (name in presets) == ("perturbation" in world.published)
        if name not in presets or name == "med50":
            assert protocol.preset_of(made, usual) == "auto"


def test_a_protocol_says_what_is_not_as_in_the_paper():
    config = StabilityConfig(("perturbation",), worlds.ANTUN, like="antun2020", limit=1)
    found, missing = cast.casts(config)
    told = protocol.differences(found, config)
    assert "ell50: the network has 415,556 weights, that of the paper 34,562,945" in told
    assert "ell50: the paper has no perturbation of it, so the constants are automatic" in told
    # A network of the paper is either tested or said to be without weights.
    assert len(found) + len(missing) == len(worlds.ANTUN)
    for name in worlds.ANTUN:
        assert any(name in line for line in (*told, *missing))
    assert protocol.differences(found, replace(config, like=None)) == []
    fewer = protocol.differences([found[0]._replace(world=WORLDS["mri_vn"])], replace(config, steps=3))
    assert f"{found[0].name}: --steps 3 is in the place of the paper's number of steps" in fewer


def test_complex_images_show_what_magnitudes_hide():
    """SENSE of whole data gives x + r: its complex gain is 1, and a change of phase has no gain in magnitudes."""
    (sense,) = subjects.sources(RunConfig(method="sense", attack="noise", eps=(0.0,)))
    case = phantom.case("knee", "train", 0, SHAPE)
    kspace = case.kspace[:1] + 0j
    image = ifft2c(jnp.asarray(kspace[0]))
    whole = case._replace(
        kspace=kspace, maps=np.ones_like(kspace), mask=np.ones(SHAPE[1], bool), target=np.abs(np.asarray(image))
    )
    prepared = prepare(whole, sense.config)
    r = 0.01j * ifft2c(prepared.data.kspace[0])
    for residual, gain in ((worlds.COMPLEX, 1), (worlds.MAGNITUDE, 0)):
        world = Cast("sense", WHOLE, sense.config, (Member("sense", TESTED, sense),), residual)
        one = one_image.on(world, prepared, {}, replace(momentum.PRESETS["auto"], snapshots=(100,)), steps=1)
        assert float(one.moved("sense", r)[1] / l2_norm(r)) == pytest.approx(gain, abs=0.01)
    assert one.reference["sense"].shape == one.clean["sense"].shape
