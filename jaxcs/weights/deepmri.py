"""The published weights of the deep cascade D5-C5 (Schlemper et al., IPMI 2017; js3611/Deep-MRI-Reconstruction).

The file `d5_c5.npz` has 50 arrays `arr_0` ... `arr_49`: for each of the five layers of each cascade the kernel (out,
in, a, b) and the bias.  The training data were under-sampled along the axis a, which is x here.  So the kernels are
transposed here, and the network takes the masks of this project as they are.

The kernels are used as stored, as cross-correlations.  The published code computes cross-correlations on the GPU.  On
the CPU only, it computes true convolutions, which flip the kernel.  Flipped kernels restore an image as unflipped
kernels restore the image rotated by half a turn, so the two differ little.  The PSNR, averaged over mirrored magnitude
images, is better without the flip: by 0.06 +- 0.02 dB on 17 cardiac and body images along both axes, and by 0.03 +-
0.01 dB on 97 images of all kinds.  Without the transposition it is 0.5 +- 0.14 dB worse on the 17 images.

The network is for real and positive images with a peak near 1, like its training images.  On magnitude images it gains
5 dB at four-fold acceleration.  If the same images have the phase pi / 2 or pi, it gains 2 to 3 dB less.  At half or
twice the scale it gains 1.5 to 2 dB less.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxcs.keys import new_key
from jaxcs.nets.cascade import deep_cascade
from jaxcs.types import Params
from jaxcs.weights.checks import checked
from jaxcs.weights.errors import WeightsError


def import_d5_c5(arrays: Mapping[str, np.ndarray]) -> Params:
    """Import the parameters of `jaxcs.nets.cascade.deep_cascade()`.

    Args:
        arrays: the file's arrays by name.

    Raises:
        WeightsError: If an array is missing or superfluous, has another shape, or is not finite.
    """
    shapes = jax.eval_shape(deep_cascade().init, new_key(0))
    names = [f"arr_{number}" for number in range(len(jax.tree.leaves(shapes)) * 5)]
    for name in names:
        if name not in arrays:
            raise WeightsError(f"it lacks the array '{name}' of D5-C5")
    for name in arrays:
        if name not in names:
            raise WeightsError(f"it holds '{name}', which D5-C5 does not have")
    params = {}
    for layer in range(5):
        outputs, inputs = shapes[f"layer{layer}"]["kernel"].shape[:-3:-1]
        first = [10 * cascade + 2 * layer for cascade in range(5)]
        kernels = [checked(f"arr_{number}", arrays[f"arr_{number}"], (outputs, inputs, 3, 3)) for number in first]
        biases = [checked(f"arr_{number + 1}", arrays[f"arr_{number + 1}"], (outputs,)) for number in first]
        params[f"layer{layer}"] = {
            "kernel": jnp.asarray(np.stack(kernels).transpose(0, 4, 3, 2, 1)),
            "bias": jnp.asarray(np.stack(biases)),
        }
    return params
