"""Glyphs: their areas, the lines of text, and how many are read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.features import glyphs, reading

GRID = (24, 20)


def test_every_glyph_has_its_cells_and_no_two_are_alike():
    assert all(cells.shape == (9, 7) for cells in glyphs.GLYPHS.values())
    standard = np.array([cells - cells.mean() for cells in glyphs.GLYPHS.values()]).reshape(len(glyphs.GLYPHS), -1)
    standard /= np.linalg.norm(standard, axis=1, keepdims=True)
    assert (standard @ standard.T - np.eye(len(standard))).max() < 0.85
    for suit in glyphs.SUITS.values():
        np.testing.assert_array_equal(glyphs.GLYPHS[suit], glyphs.GLYPHS[suit][:, ::-1])


@pytest.mark.parametrize("size", [9.0, 7.3, 4.5, 18.0])
def test_a_glyph_covers_the_area_of_its_cells(size):
    profile = glyphs.glyph("S", GRID, jnp.asarray([11.3, 9.2]), jnp.asarray(size))
    assert float(profile.sum()) == pytest.approx(glyphs.GLYPHS["S"].sum() * (size / 9) ** 2, rel=1e-4)
    assert 0 <= float(profile.min()) <= float(profile.max()) <= 1
    moved = glyphs.glyph("S", GRID, jnp.asarray([12.3, 9.2]), jnp.asarray(size))
    np.testing.assert_allclose(moved[1:], profile[:-1], atol=1e-5)


def test_a_glyph_of_nine_pixels_is_its_cells():
    np.testing.assert_allclose(glyphs.glyph("4", (9, 7), jnp.asarray([4.0, 3.0]), 9.0), glyphs.GLYPHS["4"], atol=1e-6)
    slope = jax.grad(lambda at: jnp.sum(glyphs.SYMBOLS["heart"](GRID, at, jnp.asarray(8.0)) ** 2))(
        jnp.asarray([9.7, 8.3])
    )
    assert np.isfinite(slope).all()


def test_a_line_of_text_is_centred_and_has_gaps():
    placed = glyphs.place(glyphs.TEXT, (10.0, 60.0), 9.0)
    assert "".join(one.glyph for one in placed) == "CANUSEEIT"
    columns = [one.centre[1] for one in placed]
    assert columns[0] + columns[-1] == pytest.approx(120)
    assert np.diff(columns).tolist() == [9, 9, 18, 18, 9, 9, 18, 9]
    drawn = glyphs.draw((20, 121), [*placed[:1], placed[1]._replace(intensity=0.5)])
    assert float(drawn.sum()) == pytest.approx(glyphs.GLYPHS["C"].sum() + 0.5 * glyphs.GLYPHS["A"].sum(), rel=1e-4)
    with pytest.raises(ValueError, match="no glyph for 'x', 'y'"):
        glyphs.place("xy", (0, 0), 9.0)


def scene(height=7.0):
    placed = glyphs.place(glyphs.TEXT, (12.0, 60.0), height)
    return placed + glyphs.place(" ".join(glyphs.SUITS.values()), (30.0, 60.0), height)


def test_a_perfect_picture_is_read_whole_at_any_height_and_sign_of_noise():
    rng = np.random.default_rng(0)
    for height in (5.0, 7.0, 9.0):
        placed = scene(height)
        picture = glyphs.draw((42, 120), placed)
        assert reading.read_rate(picture, placed) == 1
        assert reading.read_rate(0.01 * picture, placed) == 1
    noisy = picture + 0.2 * rng.normal(size=picture.shape)
    assert reading.read_rate(noisy, placed) == 1
    assert reading.read_rate(jnp.roll(picture, 1, axis=(0, 1)), placed) == 1


def test_an_empty_picture_is_not_read_and_noise_by_chance():
    placed = scene()
    assert reading.read_rate(jnp.zeros((42, 120)), placed) == 0
    assert len(glyphs.ALPHABET) == 12
    rng = np.random.default_rng(1)
    rates = [reading.read_rate(rng.normal(size=(42, 120)).astype(np.float32), placed) for _ in range(8)]
    # 13 glyphs in 8 pictures: 104 draws at 1/12.
    assert abs(np.mean(rates) - 1 / 12) < 4 * np.sqrt(11 / 144 / 104)


def test_a_blurred_picture_is_read_in_part():
    placed = scene()
    picture = np.asarray(glyphs.draw((42, 120), placed))
    noise = 0.02 * np.random.default_rng(2).normal(size=picture.shape)
    rates = []
    for width in (0.1, 3.0, 12.0):
        away = np.fft.fftfreq(42)[:, None] ** 2 + np.fft.fftfreq(120) ** 2
        blurred = np.fft.ifft2(np.exp(-2 * (np.pi * width) ** 2 * away) * np.fft.fft2(picture)).real
        rates.append(reading.read_rate(blurred + noise, placed))
    assert rates[0] == 1
    assert rates[2] < 0.5
    assert rates[0] >= rates[1] >= rates[2]


def test_glyphs_are_read_on_a_smooth_background():
    placed = scene()
    y, x = np.mgrid[:42, :120]
    background = 3 * np.exp(-(((y - 10) / 20) ** 2) - ((x - 30) / 30) ** 2)
    image = background + glyphs.draw((42, 120), placed)
    assert reading.read_rate(reading.without_background(image, 7.0), placed) == 1


def test_a_glyph_beside_the_picture_is_refused():
    with pytest.raises(ValueError, match="leaves the picture"):
        reading.read(np.zeros((10, 10)), [glyphs.Placement("A", (2.0, 5.0), 9.0)])
