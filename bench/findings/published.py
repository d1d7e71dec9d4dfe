"""Claims of papers, each once: commands print them beside their findings, and bench.claims makes a table of them.

This module does not import NumPy, because --help shows some of its names and must not wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

# Published directions: the number is above zero, or below zero.
ABOVE, BELOW = "above zero", "below zero"
PARALLEL = 1.0  # the slope of a line parallel to y = x
_ICML_2021, _ICML_2022 = "ICML 2021", "ICML 2022"  # Darestani, Chaudhari & Heckel; Darestani, Liu & Heckel
_PNAS_2020 = "PNAS 2020"  # Antun et al.


class Claim(NamedTuple):
    """A published claim.

    Attributes:
        name: name of the claim in JSON.
        words: the published statement, a sentence without its end.
        paper: the paper.
        where: figure or section of the paper.
        expected: the value that the number should have, or its direction, `ABOVE` or `BELOW`; None if it differs by
            part.
        number: meaning of the number, with its unit.
        style: format of the number.
    """

    name: str
    words: str
    paper: str
    where: str
    expected: float | str | None
    number: str
    style: str

    @property
    def source(self) -> str:
        """The paper, and the place in it."""
        return f"{self.paper}, {self.where}" if self.where else self.paper


def _costs_alike(name: str, what: str, where: str) -> Claim:
    words = f"{what} all methods alike, a line of slope {PARALLEL:g}"
    return Claim(name, words, _ICML_2021, where, PARALLEL, "slope", "{:.2f}")


ANATOMY = _costs_alike("anatomy", "another anatomy costs", "Figs. 4 and 13")
DATASET = _costs_alike("dataset", "another data set costs", "Fig. 2")
# The paper makes the next two claims about every natural shift; no single figure shows them.
SAMPLING = _costs_alike("sampling", "acceleration and mask cost", "")
ORDER_KEPT = Claim(
    "order kept", "a shift keeps the order of the methods", _ICML_2021, "", ABOVE,
    "rank correlation of the order before and after", "{:.2f}",
)  # fmt: skip
HARD_FOR_ALL = Claim(
    "hard for all", "images that are hard for one method are hard for all", _ICML_2021, "Fig. 6", ABOVE,
    "score lost on the hard images", "{:+.3f}",
)  # fmt: skip
LOW_FREQUENCY = Claim(
    "low frequency", "hard images have a lower share of their energy at low frequencies", _ICML_2021, "Fig. 14", BELOW,
    "share of the hard images less that of the others", "{:+.4f}",
)  # fmt: skip
DARK = Claim(
    "dark", "a small feature is lost where the image is dark", _ICML_2021,
    "Fig. 7, whose feature replaces what is there", BELOW,
    "rank correlation of the feature's MSE and the brightness there", "{:+.2f}",
)  # fmt: skip
BY_FEATURES = Claim(
    "by features", "the ranking by small features is not that by SSIM", _ICML_2021, "Fig. 17", BELOW,
    "rank correlation of the rankings", "{:+.2f}",
)  # fmt: skip
BY_FINDINGS = Claim(
    "by findings", "the ranking by real findings is that by SSIM", _ICML_2021, "Fig. 8", ABOVE,
    "rank correlation of the rankings", "{:+.2f}",
)  # fmt: skip
CONVDECODER_BEST = Claim(
    "convdecoder best", "ConvDecoder keeps small features best at every size", _ICML_2021, "Fig. 17", BELOW,
    "MSE of ConvDecoder less that of another method", "{:+.3f}",
)  # fmt: skip
OPTIMISER = Claim(
    "optimiser", "ConvDecoder's optimiser changes where the error is", _ICML_2021, "Fig. 16", BELOW,
    "rank correlation of the error by place with that by another optimiser, less that with another start", "{:+.2f}",
)  # fmt: skip
CLOSED_JOINTLY = Claim(
    "closed jointly", "test-time training closes the gap of a shift", _ICML_2022, "one image of the code's notebooks",
    None, "share of the gap closed [%]", "{:.0f}",
)  # fmt: skip
CLOSED_SUPERVISED = Claim(
    "closed supervised", "without joint training, test-time training does not close the gap of a shift", _ICML_2022,
    "one image of the code's notebooks", None, "share of the gap closed [%]", "{:.0f}",
)  # fmt: skip
SENSITIVE = Claim(
    "sensitive", "every method is sensitive to small perturbations", _ICML_2021, "Fig. 3", ABOVE,
    "PSNR lost to its own attack less that lost to noise of equal norm [dB]", "{:+.1f}",
)  # fmt: skip
OWN_ATTACK = Claim(
    "own attack", "each method is hurt most by its own attack", _ICML_2021, "Fig. 3", ABOVE,
    "PSNR lost to its own attack less that lost to the strongest of the others [dB]", "{:+.1f}",
)  # fmt: skip

# The claim is about some networks of the paper; `bench.studies.stability.worlds` has which.
UNSTABLE = Claim(
    "unstable", "small perturbations make severe artefacts in the image of a network", _PNAS_2020, "Figs. 1 to 3",
    ABOVE, "change of the image over the perturbation, less 1, which a perfect reconstruction has", "{:+.2f}",
)  # fmt: skip
NOT_AFFECTED = Claim(
    "not affected", "sparse regularisation is not affected by the perturbation of a network", _PNAS_2020,
    "Figs. 1 to 4", BELOW, "its change under that perturbation over the network's, less 1", "{:+.2f}",
)  # fmt: skip
SYMBOLS_LOST = Claim(
    "symbols lost", "a network loses symbols that sparse regularisation shows", _PNAS_2020, "Fig. 4", BELOW,
    "share of the symbols that are read less that of the comparator", "{:+.2f}",
)  # fmt: skip
_MORE = "PSNR at the most samples less that at the samples of the training [dB]"
SAMPLES_IMPROVE = Claim(
    "samples improve", "more samples improve the image of DeepMRI", _PNAS_2020, "Fig. 4", ABOVE, _MORE, "{:+.1f}"
)
SAMPLES_STAGNATE = Claim(
    "samples stagnate", "more samples do not change the image of MRI-VN", _PNAS_2020, "Fig. 4", 0.0, _MORE, "{:+.1f}"
)
SAMPLES_WORSEN = Claim(
    "samples worsen", "more samples make the image of DAGAN worse", _PNAS_2020, "Fig. 4", BELOW, _MORE, "{:+.1f}"
)
# Claims that records of bench.stability decide.
ON_STABILITY = (UNSTABLE, NOT_AFFECTED, SYMBOLS_LOST, SAMPLES_IMPROVE, SAMPLES_STAGNATE, SAMPLES_WORSEN)

# Claims of 2023 to 2026, each about one comparison; the epsilon is the largest of the record.
_WORST = "worst PSNR less that of {}, each under its own attack [dB]"
SMOOTHING_INSIDE = Claim(
    "smoothing inside", "smoothing inside the unrolled iterations is more robust than smoothing of the whole method",
    "Liang et al. 2023, arXiv:2312.07784", "SMUG", ABOVE, _WORST.format("smoothing outside"), "{:+.2f}",
)  # fmt: skip
JITTER_EQUALS = Claim(
    "jitter equals", "training with jitter is as robust as adversarial training",
    "Krainovic et al. 2023, arXiv:2307.12822", "", 0.0, _WORST.format("adversarial training"), "{:+.2f}",
)  # fmt: skip
CYCLIC_SURVIVES = Claim(
    "cyclic survives", "cyclic consistency protects even from an attack through it", "ICML 2026",
    "Saberi et al., arXiv:2501.01908", ABOVE, _WORST.format("the method without it"), "{:+.2f}",
)  # fmt: skip
DIFFUSION_TRANSFER = Claim(
    "diffusion transfer", "perturbations made for another method break a diffusion sampler",
    "Han et al. 2024, arXiv:2406.16983", "", ABOVE,
    "PSNR lost to the strongest of the others' perturbations less that lost to noise of equal norm [dB]", "{:+.1f}",
)  # fmt: skip
DIFFUSION_OWN = Claim(
    "diffusion own", "the gradient through a diffusion sampler finds no more than a transferred perturbation",
    "Han et al. 2024, arXiv:2406.16983", "which transfers alone", BELOW,
    "PSNR lost to its own gradient less that lost to the strongest of the others' perturbations [dB]", "{:+.1f}",
)  # fmt: skip
UNSEEN = Claim(
    "unseen", "PSNR and SSIM do not tell images with a hallucination that an attack made from images without",
    "Bugday et al. 2026, arXiv:2602.18536", "", 0.5,
    "share of the pairs of an attacked and a clean image in which the attacked one scores worse", "{:.2f}",
)  # fmt: skip
COVERAGE = Claim(
    "coverage", "a conformal bound holds with its confidence", "Wen et al. 2025, arXiv:2505.09528",
    "for clean data of the same distribution", ABOVE, "share of the volumes that keep it, less the confidence",
    "{:+.2f}",
)  # fmt: skip
OF_DEFENCES = (SMOOTHING_INSIDE, JITTER_EQUALS, CYCLIC_SURVIVES)

# All claims, in the order of the table.
CLAIMS = (
    ANATOMY, DATASET, SAMPLING, ORDER_KEPT, HARD_FOR_ALL, LOW_FREQUENCY, DARK, BY_FEATURES, BY_FINDINGS,
    CONVDECODER_BEST, OPTIMISER, CLOSED_JOINTLY, CLOSED_SUPERVISED, SENSITIVE, OWN_ATTACK, *ON_STABILITY,
    *OF_DEFENCES, DIFFUSION_TRANSFER, DIFFUSION_OWN, UNSEEN, COVERAGE,
)  # fmt: skip

# SSIM of one image before and after test-time training, as the notebooks of the published code print it, for the claims
# about a closed gap.  The networks are in the order of `test_time.names.MODELS`; the shifts are knee to brain, fastMRI
# to Stanford's knees, T2 to T1 before contrast, and 4x to 2x.
SSIM_OF_NOTEBOOKS: Mapping[tuple[str, str], tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        ("anatomy", "unet"): ((0.8552, 0.847), (0.7218, 0.9216), (0.9185, 0.9096), (0.9077, 0.9263)),
        ("anatomy", "varnet"): ((0.8782, 0.8556), (0.85, 0.9295), (0.9316, 0.844), (0.9213, 0.9312)),
        ("dataset", "unet"): ((0.6709, 0.4181), (0.5357, 0.6887), (0.6918, 0.4772), (0.6236, 0.7071)),
        ("dataset", "varnet"): ((0.6863, 0.5841), (0.6177, 0.6923), (0.7236, 0.4812), (0.6493, 0.6874)),
        ("modality", "unet"): ((0.8705, 0.9213), (0.8678, 0.9325), (0.9248, 0.9124), (0.9039, 0.9356)),
        ("modality", "varnet"): ((0.9089, 0.8404), (0.82, 0.933), (0.9299, 0.7286), (0.8635, 0.9352)),
        ("acceleration", "unet"): ((0.8572, 0.7356), (0.87, 0.9102), (0.9122, 0.8574), (0.9123, 0.9121)),
        ("acceleration", "varnet"): ((0.8804, 0.7316), (0.9004, 0.9073), (0.9173, 0.7504), (0.8975, 0.9078)),
    }
)
