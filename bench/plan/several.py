"""Methods that are run beside each other under one name."""

from __future__ import annotations

# The families of Figure 3 of the ICML 2021 paper.
FAMILIES = ("l1", "unet", "varnet", "convdecoder")
# The bases of its Figure 10.
BASES = ("wavelet", "fourier", "dct")
# What --method takes beside a method, in words.
SEVERAL = {
    "all": f"{', '.join(FAMILIES[:-1])} and {FAMILIES[-1]} beside each other",
    "basis": "l1 with wavelets, Fourier and DCT",
}
