"""Distribution shifts, each against an independent computation."""

import json
import zlib

import h5py
import numpy as np
import pytest

from bench import attack
from bench.plan.config import RunConfig
from bench.plan.errors import UsageError
from bench.shell import flags
from bench.slices import sources
from bench.slices.own_mask import settled
from data_prep import phantom
from data_prep.cases import Box, Case, InputError
from data_prep.phantom.scan import scan
from data_prep.shifts import SHIFTS, shape_after, shifted
from jaxcs import catalogue
from jaxcs.coils.simulate import loop_sensitivities
from tests.helpers.cheap_run import cheapen, start, write_volume

SHAPE = (40, 32)


@pytest.fixture(scope="module")
def knee():
    return phantom.case("knee", "train", 0, (80, 64))


def images_of(kspace):
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)


def kspace_of(images):
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(images, axes=axes), norm="ortho"), axes=axes)


def case_of(images, **changes):
    """A case of coil images (coil, ny, nx)."""
    kspace = kspace_of(images).astype(np.complex64)
    target = np.linalg.norm(images_of(kspace), axis=0).astype(np.float32)
    fields = {"name": "a.h5:0", "volume": "a.h5", "padding": (0, kspace.shape[-1])} | changes
    return Case(kspace=kspace, target=target, data_range=float(target.max()), **fields)


def blob(shape, centre=(0.0, 0.0), width=3.0):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = (rows - shape[0] // 2 - centre[0]) ** 2 + (columns - shape[1] // 2 - centre[1]) ** 2
    return np.exp(-distance / (2 * width**2))


@pytest.mark.parametrize(("name", "nothing"), [("noise", 1), ("resolution", 1), ("contrast", 1), ("thickness", 1)])
def test_the_size_that_changes_nothing(knee, name, nothing):
    assert shifted(knee, [(name, nothing)]) is knee


def test_motion_of_no_size_is_the_identity(knee):
    still = shifted(knee, [("motion", 0)])
    np.testing.assert_allclose(still.kspace, knee.kspace, atol=2e-6 * np.abs(knee.kspace).max())
    assert still.target is knee.target


def test_noise_has_the_level_and_correlation_of_the_scan_s_own():
    measured = scan("knee", "train", 0, (80, 64))
    case = phantom.case("knee", "train", 0, (80, 64))
    added = (shifted(case, [("noise", 3)]).kspace - case.kspace).reshape(8, -1)
    found = added @ added.conj().T / added.shape[1]
    expected = (3**2 - 1) * measured.covariance
    # The background, from which the covariance is estimated, has few pixels.
    assert np.trace(found).real == pytest.approx(np.trace(expected).real, rel=0.3)
    normalised = np.vdot(found, expected).real / np.linalg.norm(found) / np.linalg.norm(expected)
    assert normalised > 0.9
    assert np.array_equal(shifted(case, [("noise", 3)]).kspace, shifted(case, [("noise", 3)]).kspace)


def test_noise_is_that_of_the_scan_whatever_was_shifted_before(knee):
    def added(*before):
        difference = shifted(knee, [*before, ("noise", 3)]).kspace - shifted(knee, before).kspace
        return np.linalg.norm(difference) / np.sqrt(difference.size)

    assert added(("contrast", 2)) == pytest.approx(added(), rel=0.02)
    # With half the rows and columns each sample is half as large.
    assert added(("resolution", 0.5)) == pytest.approx(added() / 2, rel=0.03)


def test_noise_is_not_added_where_nothing_was_acquired(knee):
    kspace = knee.kspace.copy()
    kspace[..., :8] = kspace[..., 56:] = 0
    found = shifted(knee._replace(kspace=kspace, padding=(8, 56)), [("noise", 3)]).kspace
    assert not found[..., :8].any()
    assert not found[..., 56:].any()
    assert (found[..., 8:56] != kspace[..., 8:56]).all()


def test_a_scan_without_noise_has_none_to_multiply():
    with pytest.raises(InputError, match=r"a.h5:0: its background holds no noise"):
        shifted(case_of(np.pad(np.ones((1, 8, 8)), ((0, 0), (12, 12), (12, 12)))), [("noise", 2)])


def test_resolution_is_the_centre_of_k_space(knee):
    found = shifted(knee, [("resolution", 0.5)])
    centre = knee.kspace[:, 20:60, 16:48] / 2
    np.testing.assert_allclose(found.kspace, centre, rtol=1e-6)
    np.testing.assert_allclose(found.target, np.linalg.norm(images_of(centre), axis=0), rtol=1e-4, atol=1e-6)
    assert found.target.shape == (40, 32)
    assert found.data_range == pytest.approx(found.target.max())
    assert shape_after([("resolution", 0.5)], (8, 80, 64)) == found.kspace.shape
    # The object is as bright as before.
    assert found.target.max() == pytest.approx(knee.target.max(), rel=0.3)


def test_resolution_keeps_the_field_of_view_of_target_padding_and_boxes():
    images = np.stack([blob((64, 48), width=6.0)])
    case = case_of(images, padding=(4, 44), boxes=(Box("a", 0, 16, 8, 20, 12),))
    case = case._replace(target=case.target[16:48, 8:40])
    found = shifted(case, [("resolution", 0.5)])
    assert found.target.shape == (16, 16)
    assert found.padding == (0, 24)
    assert found.boxes == (Box("a", 0, 8, 4, 10, 6),)


def test_contrast_is_a_power_of_the_magnitude_and_leaves_the_coils():
    maps = loop_sensitivities(SHAPE, (40.0, 32.0), 4, 40.0, 15.0)
    maps = maps / np.linalg.norm(maps, axis=0)
    image = 0.2 + blob(SHAPE, width=8.0)
    found = shifted(case_of(maps * image), [("contrast", 2)])
    expected = image * (image / image.max())
    np.testing.assert_allclose(found.target, expected, rtol=1e-4)
    assert found.data_range == pytest.approx(image.max(), rel=1e-5)
    np.testing.assert_allclose(images_of(found.kspace), maps * expected, atol=1e-5)


def test_contrast_takes_the_maximum_of_the_volume():
    image = 0.5 * blob(SHAPE, width=8.0) + 0.1
    case = case_of(image[None])._replace(data_range=1.0)
    found = shifted(case, [("contrast", 2)])
    np.testing.assert_allclose(found.target, image**2, rtol=1e-4)
    assert found.data_range == pytest.approx(1.0, rel=1e-4)


def test_thickness_is_the_mean_of_complex_slices():
    slices = [case_of(np.stack([blob(SHAPE, (5.0 * i, 0.0))]) * np.exp(0.3j * i)) for i in range(3)]
    found = shifted(slices[1], [("thickness", 3)], (slices[0], slices[2]))
    expected = np.abs(np.mean([images_of(one.kspace) for one in slices], axis=0))[0]
    np.testing.assert_allclose(found.target, expected, atol=1e-6)
    with pytest.raises(InputError, match="no neighbouring slices"):
        shifted(slices[1], [("thickness", 3)])


def test_motion_takes_columns_of_the_moved_object():
    shape = (64, 54)
    case = case_of(np.stack([blob(shape, (3.0, -4.0), 4.0)]))
    found = shifted(case, [("motion", 2)])
    # The random numbers of the shift, drawn again.  The object is a Gaussian, which moves exactly.
    rng = np.random.RandomState([zlib.crc32(b"motion"), zlib.crc32(b"a.h5:0")])
    for group in range(9):
        rows, columns, degrees = rng.uniform(-2, 2, 3)
        if group == 4:
            rows = columns = degrees = 0.0
        turn = np.deg2rad(degrees)
        # Counter-clockwise as displayed, with rows downwards.
        y, x = 3 * np.cos(turn) - -4 * np.sin(turn), -4 * np.cos(turn) + 3 * np.sin(turn)
        expected = kspace_of(np.stack([blob(shape, (y + rows, x + columns), 4.0)]))
        own = slice(6 * group, 6 * group + 6)
        np.testing.assert_allclose(found.kspace[..., own], expected[..., own], atol=2e-3 * np.abs(expected).max())
    assert found.target is case.target


def test_shifts_of_one_case_are_its_own(knee):
    other = knee._replace(name="another")
    moved, too = (shifted(one, [("noise", 2)]).kspace for one in (knee, other))
    assert not np.allclose(moved, too)


def test_what_cannot_be_shifted(knee):
    with pytest.raises(InputError, match="already under-sampled"):
        shifted(knee._replace(mask=np.ones(64, bool)), [("noise", 2)])
    for name, size, problem in (("noise", 0.5, "1 to 1000"), ("thickness", 4, "odd"), ("blur", 1, "unknown shift")):
        with pytest.raises(ValueError, match=problem):
            shifted(knee, [(name, size)])


def test_names_on_the_command_line_are_the_registry_in_its_order():
    assert list(SHIFTS) == list(catalogue.SHIFTS)
    assert flags.in_order([("noise", 2.0), ("contrast", 3.0)]) == (("contrast", 3.0), ("noise", 2.0))


def test_a_shift_is_part_of_the_run():
    config = RunConfig(shift=(("contrast", 2.0), ("noise", 4.0)))
    assert RunConfig.from_dict(config.to_dict()) == config
    assert config.fingerprint() != RunConfig().fingerprint()


def volume(path, slices=3, **datasets):
    kspace = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(slices)])
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        for name, value in datasets.items():
            file[name] = value
    return str(path)


def test_sources_shift_what_they_read(tmp_path):
    data = volume(tmp_path / "a.h5")
    plain = sources.open_source(RunConfig(data=data))
    config = RunConfig(data=data, shift=(("thickness", 3.0), ("resolution", 0.5)), limit=2)
    source = sources.open_source(config)
    cases = list(source.read(source.positions))
    assert source.shapes == [case.kspace.shape for case in cases] == [(8, 20, 16)] * 2
    assert "shifted: thickness 3 (slices that are averaged), resolution 0.5" in source.description
    whole = list(plain.read(plain.positions))
    # Two slices exist at the end of the volume; the neighbour beyond the limit counts.
    for case, neighbours in zip(cases, (whole[:2], whole[:3]), strict=True):
        mean = np.mean([one.kspace for one in neighbours], axis=0)
        np.testing.assert_allclose(case.kspace, mean[:, 10:30, 8:24] / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["noise=0.5"], "--shift noise=0.5: noise is 0.5, must lie in 1 to 1000"),
        (["thickness=3"], "--shift thickness: images of the phantom have no neighbours"),
        (["noise=2", "noise=3"], "--shift noise: is named twice"),
        (["nois=2"], "did you mean 'noise'?"),
        (["noise=much"], "'much' is not a number"),
    ],
)
def test_a_mistake_is_one_line(given, problem, tmp_path, capsys):
    code = attack.main(["--method", "zero_filled", "--shift", *given, "--output", str(tmp_path)])
    error = capsys.readouterr().err.splitlines()
    assert (code, len(error)) == (2, 1)
    assert problem in error[0]


def test_under_sampled_files_are_refused(tmp_path):
    mask = np.arange(32) % 2 == 0
    truth = {"mask": mask, "reconstruction_rss": np.ones((2, *SHAPE), np.float32)}
    data = volume(tmp_path / "a.h5", 2, **truth)
    config = RunConfig(data=data, shift=(("noise", 2.0),))
    with pytest.raises(UsageError, match=r"--shift: .*a.h5 is already under-sampled"):
        settled(config, [])
    # Among other, fully sampled files, only their slices fail.
    source = sources.open_source(config)
    found = list(source.read(source.positions))
    assert all(isinstance(case, InputError) and "already under-sampled" in str(case) for case in found)


def test_an_attack_on_shifted_scans_says_so(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    _, folder = start(write_volume(tmp_path / "a.h5"), tmp_path / "out", "--shift", "noise=4")
    stored = json.loads((folder / "run.json").read_text())
    assert stored["config"]["shift"] == {"noise": 4.0}
    assert stored["threat_model"]["shift"].startswith("every scan is shifted before all else: noise 4 (times")
    assert RunConfig.from_dict(stored["config"]).shift == (("noise", 4.0),)
