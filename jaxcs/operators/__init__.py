"""Linear operators as pytrees: arrays are leaves, so maps and masks can be vmapped, sharded or differentiated."""

from jaxcs.operators.cycle_spun import CycleSpun
from jaxcs.operators.dct import DCT
from jaxcs.operators.finite_difference import FiniteDifference
from jaxcs.operators.fourier import Fourier
from jaxcs.operators.radon import Radon
from jaxcs.operators.sense import Sense
from jaxcs.operators.wavelet import Wavelet

__all__ = ["DCT", "CycleSpun", "FiniteDifference", "Fourier", "Radon", "Sense", "Wavelet"]
