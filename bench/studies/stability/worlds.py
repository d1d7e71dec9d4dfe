"""The worlds of bench.stability: each is a method, its comparator, the sampling, and what the paper used and found.

The paper is Antun et al., "On instabilities of deep learning in image reconstruction and the potential costs of AI",
PNAS 2020.  This module does not import JAX, because --help shows its names and must not wait.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bench.plan import linear_start
from bench.plan.config import Sampling
from bench.plan.linear_start import LinearStart
from jaxcs.catalogue import KSPACE, METHODS, SINOGRAM

STUDIES = ("perturbation", "structure", "samples")
# Methods that every world is compared with, beside one that ignores its data.
CONTROLS, CT_CONTROLS = ("zero_filled", "sense", "l1"), ("fbp",)
IGNORES_DATA = "ignores data"
AUTO = "auto"
# Names of the attacks in records; Algorithm 2 has filtered back-projection in the place of the adjoint.
ALGORITHM_1, ALGORITHM_2, PROJECTED = "Algorithm 1", "Algorithm 2", "projected gradients"
# The worst perturbation of a linear method.
SINGULAR = "singular vector"
ASCENTS = (ALGORITHM_1, ALGORITHM_2)
# Methods of sparsity that a network can be compared with.
COMPARATORS = ("bpdn", "shearlets", "tv", "l1")
# Kinds of images of which the residual of the attack, and the gain, are taken.
MAGNITUDE, COMPLEX = RESIDUALS = ("magnitude", "complex")
# The protocols of --like.
PROTOCOLS = ("antun2020",)
# Stands for the mask of sinograms.
VIEWS = "views"


class Published(NamedTuple):
    """A finding of the paper about a network.

    Attributes:
        words: the finding, a sentence without its end.
        where: figure of the paper.
        claim: name of the claim in `bench.findings.published` that records can decide, or None.
    """

    words: str
    where: str
    claim: str | None = None


class World(NamedTuple):
    """A method in the surroundings in which it is tested.

    Attributes:
        comparator: the method of sparsity that the network is compared with.
        settings: changed settings of the comparator.
        sampling: the sampling of the scans, which is that of the network's training.
        accelerations: accelerations of the study of samples, the highest first; that of `sampling` is among them.
        symbols: acceleration of the study of structure.
        constants: preset of the attack momentum with the published constants, or None.
        protocol: preset with published constants that suit the paper's network alone, which --like takes, or None.
        target: "clean" or "truth": what the perturbation drives the image away from.
        made_by: arguments of bench.train that make the weights, if none are shipped.
        published: the paper's findings by study.
        method: the tested method, if its name is not that of the world.
        phantom: family of the phantom if the data are sinograms, otherwise empty.  The accelerations of a sinogram are
            the views of the target's sinogram over the measured views.
        ascent: name of the ascent, `ALGORITHM_1` or `ALGORITHM_2`.
    """

    comparator: str = "bpdn"
    settings: tuple[tuple[str, str], ...] = ()
    sampling: Sampling = Sampling("random", 4.0, 0.08)
    accelerations: tuple[float, ...] = (8.0, 6.0, 4.0, 3.0, 2.0, 1.5)
    symbols: float = 4.0
    constants: str | None = None
    protocol: str | None = None
    target: str = "clean"
    made_by: str = ""
    published: Mapping[str, Published] = MappingProxyType({})
    method: str = ""
    phantom: str = ""
    ascent: str = ALGORITHM_1


_ON_PHANTOM = World()
# Views: 12 of 240 for 128 pixels, 50 of 1000 for 512.  TV has the tolerance of searches, because it takes long.
_ON_SINOGRAMS = World(
    comparator="tv",
    settings=(("tolerance", "0.003"),),
    sampling=Sampling(VIEWS, 20.0, None),
    accelerations=(30.0, 20.0, 10.0, 5.0, 3.0, 2.0),
    symbols=20.0,
    method="fbpconvnet",
    made_by="--variant tiny",
)
# Methods without weights, and networks whose weights come with the project.
_PLAIN = ("unet", "varnet", "irim", "l1", "tv", "sense", "zero_filled", "bpdn")
WORLDS: dict[str, World] = {
    **dict.fromkeys(_PLAIN, _ON_PHANTOM),
    "bpdn": _ON_PHANTOM._replace(comparator="l1"),
    "deepmri": World(
        comparator="shearlets",
        sampling=Sampling(*METHODS["deepmri"].sampling),
        accelerations=(14.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.0),
        constants="deepmri",
        made_by="--variant small",
        published=MappingProxyType(
            {
                "perturbation": Published("small perturbations make severe artefacts", "Fig. 1", "unstable"),
                "structure": Published("the symbols are seen at 25 % of the samples", "Fig. 4"),
                "samples": Published("more samples improve the image", "Fig. 4", "samples improve"),
            }
        ),
    ),
    "automap": World(
        comparator="shearlets",
        settings=(("real", "true"),),
        sampling=Sampling(*METHODS["automap"].sampling),
        accelerations=(),
        symbols=1.667,
        constants="automap_fig2",
        target="truth",
        made_by="--variant tiny",
        published=MappingProxyType(
            {"perturbation": Published("small perturbations destroy the image", "Fig. 2", "unstable")}
        ),
    ),
    "dagan": World(
        comparator="shearlets",
        sampling=Sampling(*METHODS["dagan"].sampling),
        accelerations=(20.0, 10.0, 5.0, 10 / 3, 2.5, 2.0),
        symbols=5.0,
        made_by="--variant tiny",
        published=MappingProxyType(
            {
                "structure": Published("the symbols are blurred", "Fig. 4", "symbols lost"),
                "samples": Published("more samples make the image worse", "Fig. 4", "samples worsen"),
            }
        ),
    ),
    "mri_vn": World(
        sampling=Sampling(*METHODS["mri_vn"].sampling),
        accelerations=(24.0, 12.0, 8.0, 6.0, 4.0, 3.0, 2.0),
        symbols=12.0,
        constants="mri_vn",
        made_by="--variant small",
        published=MappingProxyType(
            {
                "perturbation": Published("a small perturbation makes artefacts", "Fig. 3", "unstable"),
                "structure": Published("the symbols are moderately distorted", "Fig. 4", "symbols lost"),
                "samples": Published("more samples change nothing", "Fig. 4", "samples stagnate"),
            }
        ),
    ),
    "ell50": _ON_SINOGRAMS._replace(
        phantom="ellipses",
        published=MappingProxyType(
            {
                "structure": Published("none of the symbols is seen", "Fig. 4", "symbols lost"),
                "samples": Published("more samples make the image much worse", "Fig. 4"),
            }
        ),
    ),
    "med50": _ON_SINOGRAMS._replace(
        phantom="thorax",
        protocol="med50",
        ascent=ALGORITHM_2,
        published=MappingProxyType(
            {
                "perturbation": Published("a small perturbation makes artefacts", "Fig. 3", "unstable"),
                "samples": Published("more samples make the image worse", "Fig. 4"),
            }
        ),
    ),
    "fbp": _ON_SINOGRAMS._replace(method="", phantom="ellipses", made_by=""),
}
# The paper's networks.
ANTUN = ("deepmri", "automap", "dagan", "mri_vn", "ell50", "med50")
SEVERAL: Mapping[str, tuple[str, ...]] = MappingProxyType({"antun": ANTUN, "all": tuple(WORLDS)})


def names_of(given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the worlds that --method names, each once."""
    return tuple(dict.fromkeys(name for one in given for name in SEVERAL.get(one, (one,))))


def training(name: str) -> str:
    """Return the command that makes the weights of a world."""
    world = WORLDS[name]
    flags = ["--method", method_of(name), *shlex.split(world.made_by)]
    if world.phantom:
        return shlex.join(["python", "-m", "bench.train", *flags, "--phantom", world.phantom])
    flags += ["--mask", world.sampling.mask]
    flags += ["--acceleration", f"{world.sampling.acceleration:g}"]
    flags += ["--center-fraction", f"{world.sampling.center_fraction:.6g}"]
    return shlex.join(["python", "-m", "bench.train", *flags])


def is_network(name: str) -> bool:
    """Return whether the tested method of a world is trained."""
    return method_of(name) in METHODS and METHODS[method_of(name)].trained


def unsuited(name: str, comparator: str) -> str | None:
    """Return the reason why a method cannot be the comparator of a world, or None."""
    if method_of(name) == comparator:
        return f"is the tested method of {name}; choose another"
    data = SINOGRAM if WORLDS[name].phantom else KSPACE
    if data not in METHODS[comparator].takes:
        return f"reconstructs {METHODS[comparator].takes[0]}, and the data of {name} are {data}; choose another"
    return None


def method_of(name: str) -> str:
    """Return the tested method of a world."""
    return (WORLDS[name].method if name in WORLDS else "") or name


def start_of(name: str) -> LinearStart:
    """Return the linear start of a world, with which its network is compared."""
    return linear_start.of(sinograms=bool(WORLDS[name].phantom))
