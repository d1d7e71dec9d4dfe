"""Parameters with which AUTOMAP begins at the zero-filled image.

With the published random parameters a small network is still worse than the zero-filled image after 1000 steps.

The dense layers analyse the samples into real Fourier components of a real image, and synthesise the image from them.
A random rotation between them spreads the components over all hidden values, which keeps tanh nearly linear.  Two
channels of the convolutions pass the image on.  Other channels are random, and do not reach the image at first.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from jaxcs.fourier import ifft2c
from jaxcs.types import Key, Params

# Small enough for tanh to be nearly linear, and large enough for its curvature to be of use in training.
_GAIN = 0.3


def inverse_init(key: Key, params: Params, mask: Bool[np.ndarray, "side side"], gain: float = _GAIN) -> Params:
    """Change random parameters such that the network gives the image of the samples.

    The image is the real image of least norm that has the samples.  A point-symmetric mask makes it the zero-filled
    image.  If the network has too few hidden values, the highest frequencies are left out.

    Args:
        key: key of the rotation.
        params: parameters of `jaxcs.nets.automap.automap`, with at least 2 channels.
        mask: (side, side) bool, centred, a NumPy array.
        gain: factor before each tanh; its inverse comes after.
    """
    hidden = params["dense1"]["kernel"].shape[1]
    analysis, synthesis = fourier_components(mask, hidden)
    rotation = jnp.linalg.qr(jax.random.normal(key, (hidden, len(analysis)), jnp.float32))[0]
    conv1, conv2, last = (params[name]["kernel"] for name in ("conv1", "conv2", "last"))
    signs = jnp.array([1.0, -1.0], jnp.float32)
    conv1 = conv1.at[..., :2].set(0).at[2, 2, 0, :2].set(gain * signs)
    conv2 = conv2.at[..., :2].set(0).at[2, 2, [0, 1], [0, 1]].set(1)
    last = jnp.zeros_like(last).at[3, 3, :2, 0].set(signs / gain)
    return {
        "dense1": _layer(gain * analysis.T @ rotation.T),
        "dense2": _layer(rotation @ synthesis / gain),
        "conv1": _layer(conv1),
        "conv2": _layer(conv2),
        "last": _layer(last),
    }


def fourier_components(mask: Bool[np.ndarray, "side side"], most: int) -> tuple[Array, Array]:
    """Compute matrices from the samples to real Fourier components, and from these to the image.

    A real image has conjugate samples at opposite frequencies, so either of them is enough and two are averaged.

    Args:
        mask: (side, side) bool, centred.
        most: largest number of components; those of the lowest frequencies are kept.

    Returns:
        (component, 2 samples) and (component, side^2).
    """
    side = len(mask)
    rows, columns = np.nonzero(np.fft.ifftshift(mask))
    place = {pair: i for i, pair in enumerate(zip(rows.tolist(), columns.tolist(), strict=True))}
    frequency = np.fft.fftfreq(side)
    pairs = sorted(place, key=lambda pair: (np.hypot(*frequency[list(pair)]), pair))
    samples, analysis, spectra = len(place), [], []
    done: set[tuple[int, int]] = set()
    for pair in pairs:
        opposite = (-pair[0] % side, -pair[1] % side)
        if opposite in done or pair in done:
            continue
        done |= {pair, opposite}
        for part, sign in ((0, 1), (1, -1)) if pair != opposite else ((0, 1),):
            row, spectrum = np.zeros(2 * samples, np.float32), np.zeros((side, side), np.complex64)
            row[part * samples + place[pair]] = 1
            if pair != opposite and opposite in place:
                row[part * samples + place[pair]] = 0.5
                row[part * samples + place[opposite]] = sign * 0.5
            # The real part of the image halves what is not its own opposite.
            spectrum[pair] = (1j if part else 1) * (1 if pair == opposite else 2)
            analysis.append(row)
            spectra.append(spectrum)
    kept = jnp.fft.fftshift(jnp.asarray(np.stack(spectra[:most])), axes=(-2, -1))
    return jnp.asarray(np.stack(analysis[:most])), jnp.real(ifft2c(kept)).reshape(len(kept), -1)


def _layer(kernel: Array) -> Params:
    return {"kernel": kernel, "bias": jnp.zeros(kernel.shape[-1], jnp.float32)}
