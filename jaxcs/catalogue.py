"""All that can be chosen by name, with what is known of it before JAX is imported.

A line here and the file that it names are all that a method, an attack or a threat needs.  The registries import what
the lines name.  The commands read names, defaults and needs from the lines, because --help must not wait for JAX.  A
test holds lines and files equal.  Installed packages add methods and attacks by entry points, see `installed`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

# Sizes of the perturbation if none are given: what two cores do in a minute or a few, although an image takes long.
_USUAL, _FEWER, _ONE = (0.01, 0.02, 0.03, 0.05, 0.08), (0.01, 0.02, 0.05), (0.05,)
_KNEE, _BRAIN, _T2, _DRAWN = "phantom-knee", "phantom-brain", "brain-t2", "brain-drawn"
# The sampling of most methods: kind of mask, acceleration, share of columns in the centre [-].
RANDOM = ("random", 4.0, 0.08)
# Norms of larger perturbations overflow in single precision, and would read as no perturbation.
LARGEST_EPSILON = 1e6
# What a method reconstructs.
KSPACE, SINOGRAM = "k-space", "sinograms"


class MethodLine(NamedTuple):
    """A reconstruction method.

    Attributes:
        place: MODULE:OBJECT of its `jaxcs.recon.Method`.
        family: kind of method, in which comparisons group it.
        presets: its named configurations.
        trained: whether it needs weights.
        fitted: whether it fits a network to each measurement.
        maps: whether its default configuration needs coil maps from outside.
        slow: whether an image takes long, so that the phantom has few images if no number is given; so is every
            method that is fitted.
        eps: sizes of the perturbation if none are given, ascending [-].
        weights_of: the method with whose weights it begins, if that is another method.
        trainable: whether `bench.train` trains it, if it is trained; else the weights are always another method's.
        shipped: data of the weights that come with the project; these are named METHOD-DATA.
        published_loss: name of the loss that its publication trains with, if it is trained.
        one_coil: whether it is for scans of a single coil.
        one_mask: whether it is for one mask, which belongs to its weights.
        prior: whether it is trained on images, and not to reconstruct.
        papers: publications, keys of `bench.plan.references`.
        takes: the data that it reconstructs: `KSPACE`, `SINOGRAM` or both.
        sampling: kind of mask, acceleration and share of columns in the centre [-], if none are given: those with which
            the network was published.
    """

    place: str
    family: str = "other"
    presets: tuple[str, ...] = ()
    trained: bool = False
    fitted: bool = False
    maps: bool = True
    slow: bool = False
    eps: tuple[float, ...] = _USUAL
    weights_of: str | None = None
    trainable: bool = True
    shipped: tuple[str, ...] = ()
    published_loss: str = "l1"
    one_coil: bool = False
    one_mask: bool = False
    prior: bool = False
    papers: tuple[str, ...] = ()
    takes: tuple[str, ...] = (KSPACE,)
    sampling: tuple[str, float, float] = RANDOM


class AttackLine(NamedTuple):
    """An attack.

    Attributes:
        place: MODULE:OBJECT of its `jaxcs.attacks.AttackEntry`.
        presets: its named configurations, as --attack-preset has them.
        papers: publications, keys of `bench.plan.references`.
    """

    place: str
    presets: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()


class ChangeLine(NamedTuple):
    """A change of the scan.

    Attributes:
        place: MODULE:OBJECT of its `jaxcs.threats.Change`.
        eps: sizes if none are given, ascending, in the unit.
        unit: unit of the size in a word, or - if it is relative.
        moves_object: whether the true image changes as well.
    """

    place: str
    eps: tuple[float, ...]
    unit: str
    moves_object: bool = False


class NormLine(NamedTuple):
    """A set of perturbations that are added to the data.

    Attributes:
        place: MODULE:OBJECT of its `jaxcs.threats.Noise`.
        words: the perturbations, and what their size is relative to.
    """

    place: str
    words: str


METHODS: dict[str, MethodLine] = {
    "zero_filled": MethodLine("jaxcs.recon.zero_filled:METHOD", "linear"),
    "sense": MethodLine("jaxcs.recon.sense:METHOD", "linear", papers=("pruessmann1999",)),
    "l1": MethodLine("jaxcs.recon.l1:METHOD", "sparsity", ("rc2021", "early_stopped"), papers=("lustig2007",)),
    "tv": MethodLine("jaxcs.recon.tv:METHOD", "sparsity", papers=("rudin1992",), takes=(KSPACE, SINOGRAM)),
    "loraks": MethodLine(
        "jaxcs.recon.loraks:METHOD", "low rank", maps=False, papers=("haldar2014", "haldar2016", "haldar2015"),
    ),
    "bpdn": MethodLine(
        "jaxcs.recon.bpdn:METHOD", "sparsity", slow=True, eps=_FEWER, papers=("chen1998", "vandenberg2008"),
    ),
    "shearlets": MethodLine(
        "jaxcs.recon.shearlets:METHOD", "sparsity",
        ("fourier", "fourier500", "paper_levels", "radon", "radon_noisy", "tgv", "plain"), slow=True, eps=_ONE,
        papers=("ma2016", "kutyniok2016"), takes=(KSPACE, SINOGRAM),
    ),
    "unet": MethodLine(
        "jaxcs.recon.unet:METHOD", "unet", ("small", "half", "u1", "u2", "u3", "u4", "u5"), trained=True, maps=False,
        shipped=(_KNEE, _BRAIN, _T2), papers=("zbontar2018",),
    ),
    "unet_complex": MethodLine(
        "jaxcs.recon.unet_complex:METHOD", "unet", ("small", "paper"), trained=True,
        shipped=(_KNEE, _BRAIN, f"sup-{_KNEE}", f"sup-{_BRAIN}"), papers=("zbontar2018", "darestani2022"),
    ),
    "varnet": MethodLine(
        "jaxcs.recon.varnet:METHOD", "varnet", ("small", "half", "v1", "v2", "v3", "v4", "v5"), trained=True,
        maps=False, slow=True, eps=_FEWER, shipped=(_KNEE, _BRAIN, _T2), published_loss="ssim",
        papers=("sriram2020",),
    ),
    "irim": MethodLine(
        "jaxcs.recon.irim:METHOD", "irim", ("small", "paper"), trained=True, maps=False, slow=True, eps=_FEWER,
        shipped=(_KNEE,), published_loss="ssim", papers=("putzky2019",),
    ),
    "mri_vn": MethodLine(
        "jaxcs.recon.mri_vn:METHOD", "variational network", ("small", "paper", "rixez"), trained=True, slow=True,
        eps=_FEWER, published_loss="l2", papers=("hammernik2018",),
        # 28 of 368 columns are the centre; all in all 15 % are measured.
        shipped=(_KNEE,), sampling=("equispaced", 12.0, 0.076087),
    ),
    "modl": MethodLine(
        "jaxcs.recon.modl:METHOD", "unrolled denoiser", ("small", "paper"), trained=True, slow=True, eps=_FEWER,
        shipped=(_KNEE, _DRAWN), published_loss="l2", papers=("aggarwal2019",),
    ),
    "smug": MethodLine(
        "jaxcs.recon.smug:METHOD", "unrolled denoiser", ("small", "paper"), trained=True, slow=True, eps=_FEWER,
        weights_of="modl", published_loss="l2", papers=("liang2023", "aggarwal2019"),
    ),
    "diffusion": MethodLine(
        "jaxcs.recon.diffusion:METHOD", "diffusion", ("small",), trained=True, slow=True, eps=_FEWER,
        shipped=(_KNEE,), published_loss="l2", prior=True, papers=("karras2022", "zhang2025"),
    ),
    "pnp": MethodLine(
        "jaxcs.recon.pnp:METHOD", "plug-and-play", trained=True, slow=True, eps=_FEWER, weights_of="diffusion",
        trainable=False,
        papers=("venkatakrishnan2013", "xu2020", "ryu2019"),
    ),
    "deepmri": MethodLine(
        "jaxcs.recon.deepmri:METHOD", "cascade", ("small", "paper"), trained=True, maps=False, published_loss="l2",
        one_coil=True, papers=("schlemper2017",), shipped=(_KNEE,), sampling=("gaussian", 3.0, 0.03125),
    ),
    "dagan": MethodLine(
        "jaxcs.recon.dagan:METHOD", "generator", ("tiny", "small", "paper"), trained=True, maps=False,
        published_loss="l2", one_coil=True, papers=("yang2018",), shipped=(_KNEE,), sampling=("gaussian", 5.0, 0.04),
    ),
    "automap": MethodLine(
        "jaxcs.recon.automap:METHOD", "automap", ("tiny", "small", "p64", "paper"), trained=True, maps=False,
        published_loss="l2", one_coil=True, one_mask=True, papers=("zhu2018",), shipped=(_KNEE,),
        sampling=("poisson", 1.667, 0.08),
    ),
    "fbp": MethodLine("jaxcs.recon.fbp:METHOD", "linear", maps=False, takes=(SINOGRAM,)),
    "fbpconvnet": MethodLine(
        "jaxcs.recon.fbpconvnet:METHOD", "unet", ("tiny", "small", "paper"), trained=True, maps=False,
        shipped=("phantom-ellipses",), published_loss="l2", papers=("jin2017",), takes=(SINOGRAM,),
    ),
    "ttt_unet": MethodLine(
        "jaxcs.recon.ttt:UNET", "test-time training", ("published",), trained=True, fitted=True, eps=_ONE,
        weights_of="unet_complex", papers=("darestani2022",),
    ),
    "ttt_varnet": MethodLine(
        "jaxcs.recon.ttt:VARNET", "test-time training", ("published",), trained=True, fitted=True, maps=False,
        eps=_ONE, weights_of="varnet", papers=("darestani2022", "sriram2020"),
    ),
    "convdecoder": MethodLine(
        "jaxcs.recon.convdecoder:METHOD", "un-trained",
        ("paper", "attack2021", "pathology2021", "feature2021", "brain2021", "original"), fitted=True, maps=False,
        eps=_ONE, papers=("darestani2020",),
    ),
    "deepdecoder": MethodLine(
        "jaxcs.recon.deepdecoder:METHOD", "un-trained", ("paper",), fitted=True, maps=False, eps=_ONE,
        papers=("heckel2019",),
    ),
    "dip": MethodLine(
        "jaxcs.recon.dip:METHOD", "un-trained", ("original",), fitted=True, maps=False, eps=_ONE,
        papers=("ulyanov2018",),
    ),
}  # fmt: skip

# The setting that puts a method into a defence -> publications, keys of `bench.plan.references`.
DEFENCES: dict[str, tuple[str, ...]] = {"smoothing": ("kumar2021",), "cyclic": ("saberi2026",)}
ATTACKS: dict[str, AttackLine] = {
    "scout": AttackLine("jaxcs.attacks.scout:ATTACK", papers=("croce2020",)),
    "pgd": AttackLine("jaxcs.attacks.pgd:ATTACK", papers=("madry2018",)),
    "apgd": AttackLine("jaxcs.attacks.apgd:ATTACK", papers=("croce2020",)),
    "padam": AttackLine(
        "jaxcs.attacks.padam:ATTACK", ("genzel2020", "rc2021_unet", "rc2021_varnet"), papers=("genzel2022",)
    ),
    "momentum": AttackLine(
        "jaxcs.attacks.momentum:ATTACK",
        (
            "deepmri", "automap_fig2", "automap_fig7", "med50", "deepmri_printed", "automap_fig2_printed",
            "automap_fig7_printed", "med50_printed", "mri_vn", "auto",
        ),
        papers=("antun2020",),
    ),
    "two_step": AttackLine("jaxcs.attacks.two_step:ATTACK", ("bounded", "published"), papers=("darestani2021",)),
    "region": AttackLine("jaxcs.attacks.region:ATTACK", ("published",), papers=("morshuis2022",)),
    "spectral": AttackLine("jaxcs.attacks.spectral:ATTACK"),
    "spsa": AttackLine("jaxcs.attacks.spsa:ATTACK", papers=("uesato2018",)),
    "grid": AttackLine("jaxcs.attacks.grid:ATTACK", papers=("morshuis2022",)),
    "ensemble": AttackLine("jaxcs.attacks.ensemble:ATTACK", papers=("croce2020",)),
    "noise": AttackLine("jaxcs.attacks.noise:ATTACK"),
}  # fmt: skip

CHANGES: dict[str, ChangeLine] = {
    "shift": ChangeLine("jaxcs.threats.changes:SHIFT", (0.5, 1.0, 2.0, 4.0), "pixels", moves_object=True),
    "rotation": ChangeLine("jaxcs.threats.changes:ROTATION", (1.0, 2.0, 3.0, 4.0, 5.0), "degrees", moves_object=True),
    "deformation": ChangeLine("jaxcs.threats.changes:DEFORMATION", (0.25, 0.5, 1.0, 2.0), "pixels", moves_object=True),
    "bias": ChangeLine("jaxcs.threats.changes:BIAS", (0.05, 0.1, 0.2), "-", moves_object=True),
    "maps": ChangeLine("jaxcs.threats.changes:MAPS", (0.02, 0.05, 0.1), "-"),
    "phase": ChangeLine("jaxcs.threats.changes:PHASE", (0.02, 0.05, 0.1, 0.2), "radians"),
}
NORMS: dict[str, NormLine] = {
    "measured": NormLine("jaxcs.threats.noise:MEASURED", "of the measured entries, relative to them"),
    "kspace": NormLine("jaxcs.threats.noise:KSPACE", "of the whole k-space"),
    "per_coil": NormLine("jaxcs.threats.noise:PER_COIL", "a ball for each coil"),
    "whitened": NormLine("jaxcs.threats.noise:WHITENED", "of the data whitened by the coils' noise"),
    "image": NormLine("jaxcs.threats.noise:IMAGE", "of the image, relative to the truth"),
}
LOSSES = {
    "nmse": "squared error",
    "ssim": "1 - SSIM",
    "haarpsi": "1 - HaarPSI",
    "row_error": "squared error of each row relative to its own energy",
    "max_error": "largest error of a pixel",
    "hallucination": "energy of what stands in the image and neither in the truth nor in the data",
}
MASKS = ("random", "equispaced", "equispaced_fraction", "magic", "magic_fraction", "gaussian", "poisson")
# Shifts of the scan, in the order in which they happen.
SHIFTS = ("thickness", "contrast", "motion", "resolution", "noise")
# Families of the phantom, and those in which findings are drawn, with boxes around them.
PHANTOMS, WITH_FINDINGS = ("knee", "brain", "head"), ("brain", "head")
# Phantoms of different anatomy; the head is the brain with another texture.
ANATOMIES = ("knee", "brain")
CT_PHANTOMS = ("ellipses", "thorax")

# Networks that are trained, methods with the weights of another one, those of them that fit these weights to each
# measurement, and networks that are only fitted.
OF_KSPACE = tuple(name for name, line in METHODS.items() if KSPACE in line.takes)
NETWORKS = tuple(name for name, line in METHODS.items() if line.trained and line.trainable and not line.fitted)
OF_OTHER_WEIGHTS = tuple(name for name, line in METHODS.items() if line.weights_of is not None)
TEST_TIME = tuple(name for name, line in METHODS.items() if line.trained and line.fitted)
UNTRAINED = tuple(name for name, line in METHODS.items() if line.fitted and not line.trained)

METHOD_GROUP, ATTACK_GROUP = "jaxcs.methods", "jaxcs.attacks"


@cache
def installed(group: str) -> dict[str, str]:
    """Return MODULE:OBJECT by name of the entry points of installed packages, which are read once.

    Args:
        group: "jaxcs.methods" for objects of `jaxcs.recon.Method`, "jaxcs.attacks" for `jaxcs.attacks.AttackEntry`.
    """
    from importlib.metadata import entry_points  # takes a third of --help's time

    return {one.name: one.value for one in sorted(entry_points(group=group))}


def suited_weights(network: str, phantom: str | None) -> str:
    """Name the shipped weights of a network that suit data, whether they exist or not.

    Args:
        network: name of the method whose weights they are.
        phantom: family of the phantom, or None for files.
    """
    line = METHODS.get(network)
    if phantom is not None:
        data = f"phantom-{phantom}"
    elif line is not None and KSPACE not in line.takes:
        data = "phantom-ellipses"
    else:
        data = _DRAWN if line is not None and _DRAWN in line.shipped else _T2
    return f"{network}-{data}"
