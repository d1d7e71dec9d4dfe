"""Published protocols by name: the fields that each sets, and how our default differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Protocol(NamedTuple):
    """A published protocol.

    Attributes:
        fields: values of `RunConfig` fields that were not given.
        attacks: (attack, preset) by method, for methods that the paper attacked; other methods keep the defaults.
        presets: preset of the method, by method.
        differs: how the default differs, a sentence each.
    """

    fields: Mapping[str, object]
    attacks: Mapping[str, tuple[str, str]]
    presets: Mapping[str, str]
    differs: tuple[str, ...]


LIKE: dict[str, Protocol] = {
    # Darestani et al., ICML 2021, as its code ran.
    "rc2021": Protocol(
        fields=MappingProxyType(
            {"eps": (0.0, 0.02, 0.04, 0.06, 0.08), "norm": "kspace", "target": "clean", "center_fraction": 0.07}
        ),
        attacks=MappingProxyType(
            {
                "l1": ("two_step", "published"),
                "convdecoder": ("two_step", "published"),
                "unet": ("padam", "rc2021_unet"),
                "varnet": ("padam", "rc2021_varnet"),
            }
        ),
        presets=MappingProxyType({"l1": "rc2021", "convdecoder": "attack2021"}),
        differs=(
            "epsilon is relative to the whole k-space here, of which a part is never measured; the default counts the "
            "measured entries alone",
            "l1 is an early-stopped Landweber iteration, attacked by a joint descent; the default solves l1 and "
            "differentiates through the solver",
            "ConvDecoder's data consistency uses the perturbed data, where the published code inserted the clean ones",
            "the mask is drawn as fastMRI draws it, where the published code drew until the acceleration suited it",
            "psnr_rc2021 and ssim_rc2021 score after the truth was matched to the image in mean and spread, with the "
            "slice's peak, which hides changes of contrast; psnr and ssim are fastMRI's",
        ),
    ),
    # Morshuis et al., MICCAI workshop 2022.
    "morshuis2022": Protocol(
        fields=MappingProxyType(
            {"eps": (0.0, 0.005, 0.01, 0.015, 0.02, 0.025), "norm": "per_coil", "target": "truth", "aim": "region"}
        ),
        attacks=MappingProxyType({"unet": ("region", "published"), "varnet": ("region", "published")}),
        presets=MappingProxyType({}),
        differs=(
            "the published projection rescales all coils together first, so that a perturbation keeps about "
            "1 / sqrt(coils) of its nominal size; the default projects each coil onto its ball exactly",
            "epsilon is relative to the measured entries of each coil; the published code counted all of them",
            "psnr_morshuis2022 and ssim_morshuis2022 take the slice's maximum less its minimum for the peak; psnr and "
            "ssim take the volume's maximum, as fastMRI",
        ),
    ),
    # Antun et al., PNAS 2020.
    "antun2020": Protocol(
        fields=MappingProxyType({"eps": (1.0,), "norm": "image", "target": "clean"}),
        attacks=MappingProxyType({"unet": ("momentum", "mri_vn"), "varnet": ("momentum", "mri_vn")}),
        presets=MappingProxyType({}),
        differs=(
            "the perturbation of the image has no bound but a penalty and the number of steps, so that epsilon is only "
            "where it is stopped at the latest; what it came to is recorded as norm",
            "the networks of the paper have a command of their own, bench.stability --like antun2020",
            "the preset is that of MRI-VN; --attack-preset names those of the other networks of their Table 1, of "
            "which the paper showed the ones that worked",
            "psnr_antun2020 takes the reconstruction's own maximum for the peak, as the published code; psnr takes the "
            "truth's",
        ),
    ),
    # Genzel, Macdonald and Maerz, IEEE TPAMI 2022 (arXiv 2020).
    "genzel2020": Protocol(
        fields=MappingProxyType({"eps": (0.0, 0.005, 0.01, 0.015, 0.02, 0.025), "norm": "measured", "target": "truth"}),
        attacks=MappingProxyType(
            dict.fromkeys(("l1", "tv", "sense", "zero_filled", "unet", "varnet"), ("padam", "genzel2020"))
        ),
        presets=MappingProxyType({}),
        differs=(
            "250 steps of Adam from six starts; the default reaches as far in a few steps of projected gradients",
            "l1 and TV are differentiated at their solution, where the paper unrolled iterations from a warm start",
            "error_genzel2020 is the relative error, the square root of NMSE",
        ),
    ),
}
