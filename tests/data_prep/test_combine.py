"""Whitening and compression of a volume: the resulting noise, the preserved images, and the notes."""

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep.__main__ import main
from data_prep.combine import compressed, whitened
from data_prep.fourier import inverse
from data_prep.layout import Volume, targets_of, write_volume
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.fourier import fft2c
from tests.helpers.asserts import relative_error

SHAPE, COILS = (64, 48), 6
RNG = np.random.default_rng(5)
MIX = np.eye(COILS) + 0.4 * (RNG.normal(size=(COILS, COILS)) + 1j * RNG.normal(size=(COILS, COILS)))


def disc():
    rows, columns = np.mgrid[-32:32, -24:24]
    return (rows**2 + columns**2 < 15**2).astype(float)


def volume(slices=3, noise=0.02, **changes):
    """A disc seen by loops, in raw units of fastMRI, with noise that the coils share."""
    maps = np.asarray(loop_sensitivities(SHAPE, SHAPE, COILS, 50.0, 20.0))
    maps = (maps / np.linalg.norm(maps, axis=0)).astype(np.complex64)
    kspace = np.asarray(fft2c(jnp.asarray(maps * disc(), jnp.complex64)))
    white = RNG.normal(size=(slices, COILS, *SHAPE, 2)) @ [1, 1j]
    noisy = kspace + noise * np.einsum("ij,sjyx->siyx", MIX, white)
    return Volume("scan", (1e-6 * noisy).astype(np.complex64), crop=SHAPE, maps=np.stack([maps] * slices), **changes)


def corner(kspace):
    """(coil, samples) of the images' four corners."""
    images = inverse(kspace)
    patches = [
        images[..., rows, columns] for rows in (slice(8), slice(-8, None)) for columns in (slice(6), slice(-6, None))
    ]
    return np.concatenate([patch.swapaxes(0, 1).reshape(COILS, -1) for patch in patches], axis=1)


def correlation(kspace):
    noise = corner(kspace).astype(complex)
    covariance = noise @ noise.conj().T
    scale = np.sqrt(np.diag(covariance).real)
    return covariance / np.outer(scale, scale), scale


def test_whitened_noise_is_uncorrelated_alike_and_of_the_mean_level():
    before = volume()
    after = whitened(before)
    old, old_levels = correlation(before.kspace)
    new, new_levels = correlation(after.kspace)
    off = ~np.eye(COILS, dtype=bool)
    assert np.abs(old[off]).max() > 0.4
    assert np.abs(new[off]).max() < 0.1
    assert np.ptp(old_levels) / old_levels.mean() > 0.2
    assert np.ptp(new_levels) / new_levels.mean() < 0.05
    assert np.mean(new_levels**2) == pytest.approx(np.mean(old_levels**2), rel=0.02)
    assert after.notes[-1].startswith("coils whitened by the background's noise")


def test_whitened_maps_target_and_kspace_fit_each_other():
    """The image combined by the new maps has the new target's magnitude at pixels with little noise."""
    after = whitened(volume(noise=1e-4))
    inside = disc() > 0
    combined = np.sum(after.maps[0].conj() * inverse(after.kspace[0]), axis=0)
    assert relative_error(np.abs(combined[inside]), after.targets[0][inside]) < 1e-3
    assert np.abs(np.linalg.norm(after.maps, axis=1) - 1).max() < 1e-5


def test_compression_keeps_the_image_and_all_coils_truth():
    before = volume(noise=1e-3)
    after = compressed(before, 4)
    assert after.kspace.shape == (3, 4, *SHAPE)
    assert after.maps.shape == (3, 4, *SHAPE)
    np.testing.assert_array_equal(after.targets, targets_of(before))
    combined = np.linalg.norm(inverse(after.kspace[0]), axis=0)
    assert 1e-4 < relative_error(combined, after.targets[0]) < 0.1
    assert "6 coils compressed to 4 virtual ones" in after.notes[-1]
    assert compressed(before, 6) is before
    whole = np.linalg.norm(before.kspace.astype(complex)) ** 2
    share = np.linalg.norm(after.kspace.astype(complex)) ** 2 / whole
    assert f"{share:.2%}" in after.notes[-1]
    # No other four combinations keep more of the centre, from which the matrix is computed.
    centre = before.kspace[..., 16:48, 8:40].swapaxes(0, 1).reshape(COILS, -1).astype(complex)
    best = np.sum(np.linalg.svd(centre, compute_uv=False)[:4] ** 2)
    kept = np.linalg.norm(after.kspace[..., 16:48, 8:40].astype(complex)) ** 2
    assert kept == pytest.approx(best, rel=1e-4)


def test_what_cannot_be_whitened_is_refused_in_one_line(tmp_path, capsys):
    silent = volume()
    silent.kspace[:, 2] = 0
    write_volume(tmp_path / "raw", silent)
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out"), "--whiten"]) == 3
    assert "a coil has no noise of its own" in capsys.readouterr().err
    write_volume(tmp_path / "raw", volume(mask=np.arange(48) % 2 == 0))
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out"), "--whiten"]) == 3
    assert "is under-sampled: its noise cannot be seen" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_command_does_both_and_leaves_notes(tmp_path, capsys):
    write_volume(tmp_path / "raw", volume())
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out"), "--whiten", "--coils", "4"]) == 0
    assert "3 slices of 4 coils, 64 x 48" in capsys.readouterr().out
    with h5py.File(tmp_path / "out" / "scan.h5") as file:
        notes = file.attrs["notes"].splitlines()
        assert [note.split()[:2] for note in notes] == [["coils", "whitened"], ["6", "coils"]]
        assert file.attrs["max"] == pytest.approx(file["reconstruction_rss"][()].max())
    assert main(["fastmri", str(tmp_path / "raw"), str(tmp_path / "out"), "--coils", "0"]) == 2
