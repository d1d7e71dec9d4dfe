"""The report page in a real browser: it works offline, and all pictures move together."""

import time

import numpy as np
import pytest

from bench.page.comparison import comparison
from bench.page.page import page_of
from tests.helpers.browser import Browser, find
from tests.helpers.run_folder import HOSTILE, write_run

pytestmark = pytest.mark.skipif(find() is None, reason="no chromium on this machine")

SHAPE = (48, 40)
# Position and width of each layer, in units of its frame.
VIEWS = """[...document.querySelectorAll('.layer')].map(layer => {
  const inner = layer.getBoundingClientRect(), outer = layer.closest('.frame').getBoundingClientRect();
  return [(inner.x - outer.x) / outer.width, (inner.y - outer.y) / outer.height, inner.width / outer.width]; })"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = write_run(tmp_path_factory.mktemp("runs") / "matrix", ("l1", "unet"), cases=(HOSTILE, "b.h5:0"), shape=SHAPE)
    (path / "report.html").write_bytes(page_of(path))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(browser, folder):
    """The drawn matrix page in a window of a desktop computer."""
    browser.resize(1280, 900)
    browser.open(folder / "report.html")
    browser.until("document.getElementById('panels').classList.contains('drawn')")
    # The two rows above the methods side by side.
    browser.run("document.querySelector('[data-panel=clean]').scrollIntoView({block: 'end'})")
    yield browser
    assert browser.complaints() == []


def box(page, selector):
    """Give the middle of an element in the window, its width and height."""
    found = f"document.querySelector({selector!r}).getBoundingClientRect()"
    return page.run(f"(box => [box.x + box.width / 2, box.y + box.height / 2, box.width, box.height])({found})")


def choose(page, name, value):
    page.run(
        f"(select => {{ select.value = {value!r}; select.dispatchEvent(new Event('change')); }})"
        f"(document.getElementById({name!r}))"
    )


def pixel(page, canvas, row=5, column=7):
    """Give a pixel's colour; it is read from a copy, because a canvas that is read often complains."""
    return page.run(
        "(copy => { copy.width = copy.height = 1; const context = copy.getContext('2d');"
        f"context.drawImage(document.querySelector({canvas!r}), {-column}, {-row});"
        "return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3); })(document.createElement('canvas'))"
    )


def test_the_divider_follows_pointer_and_keys(page):
    x, y, width, _ = box(page, "#divider")
    _, _, frame, _ = box(page, ".wipe .frame")
    page.drag((x, y), (x + frame / 4, y))
    # Three quarters show the left picture: the right picture is clipped there.
    assert page.run("document.getElementById('divider').getAttribute('aria-valuenow')") == "75"
    clip = page.run("getComputedStyle(document.querySelector('.curtain')).clipPath")
    assert clip.startswith("inset(0px 0px 0px 7")
    moved, *_ = box(page, "#divider")
    assert moved == pytest.approx(x + frame / 4, abs=1)
    page.key("ArrowLeft")
    assert page.run("document.getElementById('divider').getAttribute('aria-valuenow')") == "73"
    assert width == 44
    assert {tuple(view) for view in page.run(VIEWS)} == {(0, 0, 1)}


@pytest.mark.parametrize("how", ["wheel", "button", "key"])
def test_zoom_and_pan_move_all_pictures_together(page, how):
    x, y, width, height = box(page, "[data-panel=clean] .frame")
    at = (x - width / 4, y - height / 4)
    if how == "wheel":
        page.mouse("mouseWheel", *at, deltaX=0, deltaY=-300)
        page.until("document.getElementById('panels').classList.contains('zoomed')")
    elif how == "button":
        page.run("document.getElementById('in').click()")
    else:
        page.run("document.getElementById('panels').focus()")
        page.key("+")

    views = np.array(page.run(VIEWS))
    # Truth, wipe, perturbation and three errors; and side by side an image and its error of each method.
    assert len(views) == 7 + 2 * 2
    np.testing.assert_allclose(views, views[:1].repeat(len(views), 0), atol=1e-3)
    left, top, scale = views[0]
    assert scale > 1.4
    fixed = 0.25 if how == "wheel" else 0.5
    assert (left, top) == pytest.approx((fixed - fixed * scale, fixed - fixed * scale), abs=0.01)

    page.drag((x, y), (x + 20, y + 10))
    views = np.array(page.run(VIEWS))
    np.testing.assert_allclose(views, views[:1].repeat(len(views), 0), atol=1e-3)
    assert views[0][:2] == pytest.approx([left + 20 / width, top + 10 / height], abs=0.01)

    for clicks in (1, 2):
        page.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=clicks)
        page.mouse("mouseReleased", x, y, button="left", clickCount=clicks)
    assert {tuple(view) for view in page.run(VIEWS)} == {(0, 0, 1)}


def test_two_fingers_zoom_and_one_still_scrolls_the_page(browser, folder):
    browser.resize(390, 844, mobile=True)
    browser.open(folder / "report.html")
    browser.until("document.getElementById('panels').classList.contains('drawn')")
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        assert browser.run("getComputedStyle(document.querySelector('.frame')).touchAction") == "pan-y"
        browser.run("document.querySelector('.wipe .frame').scrollIntoView({block: 'center'})")
        x, y, width, _ = box(browser, ".wipe .frame")

        def touch(kind, apart):
            points = [{"x": x + sign * apart, "y": y - 60, "id": index} for index, sign in enumerate((-1, 1))]
            browser.call("Input.dispatchTouchEvent", type=kind, touchPoints=points if apart else [])

        touch("touchStart", width / 8)
        for apart in (width / 7, width / 5, width / 4):
            touch("touchMove", apart)
        touch("touchEnd", 0)
        views = np.array(browser.run(VIEWS))
        np.testing.assert_allclose(views, views[:1].repeat(len(views), 0), atol=0.02)
        assert views[0][2] == pytest.approx(2, rel=0.1)
        assert views[0][0] == pytest.approx(-0.5, abs=0.1)
    finally:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)


def test_the_pictures_are_those_of_the_record(page, folder):
    with np.load(folder / "pictures.npz") as file:
        arrays = {key: file[key].astype(np.float32) for key in file.files}
    truth = arrays[f"{HOSTILE}|truth"]
    peak = np.quantile(truth, 0.999)
    assert pixel(page, "[data-panel=truth] canvas")[0] == pytest.approx(255 * min(truth[5, 7] / peak, 1), abs=1)
    choose(page, "gain", "2")
    choose(page, "source", "unet")
    page.until("document.querySelector('[data-panel=attacked] small').textContent.startsWith('PSNR 28.50 dB')")
    # An error of 0.03, enlarged twice, in a colour between the first two anchors of inferno.
    error = float(np.abs(arrays[f"{HOSTILE}|l1|unet|0.05"] - truth)[5, 7])
    share = error * 2 / peak * 8
    assert share < 1
    assert pixel(page, "[data-panel=attacked] canvas") == pytest.approx([31 * share, 12 * share, 4 + 68 * share], abs=2)
    assert page.run("document.getElementById('full').textContent") == f"{peak / 2:.2g}"
    assert page.run("document.getElementById('case').selectedOptions[0].textContent") == HOSTILE


def test_the_perturbed_truth_is_a_picture_to_choose(page, folder):
    with np.load(folder / "pictures.npz") as file:
        truth, perturbed = (file[f"{HOSTILE}|{name}"] for name in ("truth", "l1|perturbed truth|0.02"))
    choose(page, "eps", "0.02")
    choose(page, "left", "perturbed")
    page.until("document.getElementById('left-score').textContent === 'all data, with the perturbation'")
    grey = 255 * min(float(perturbed[5, 7]) / float(np.quantile(truth.astype(np.float32), 0.999)), 1)
    assert pixel(page, "#left-canvas")[0] == pytest.approx(grey, abs=1)


def test_a_method_chosen_is_shown_under_its_own_attack(page):
    choose(page, "victim", "unet")
    page.until("document.querySelector('[data-panel=attacked] small').textContent.startsWith('PSNR 25.00 dB')")
    assert page.run("document.getElementById('source').value") == "unet"
    label = page.run("document.querySelector('[data-panel=attacked] canvas').getAttribute('aria-label')")
    assert label == f"Error of attacked, PSNR 25.00 dB, SSIM 0.650: {HOSTILE}, epsilon 0.05"


def test_window_and_level_change_the_images_and_not_the_errors(page, folder):
    with np.load(folder / "pictures.npz") as file:
        truth = file[f"{HOSTILE}|truth"].astype(np.float32)
    peak = np.quantile(truth, 0.999)
    error = pixel(page, "[data-panel=attacked] canvas")
    # The sliders are of the keyboard too: 50 % of the window, about the same level.
    page.run("document.getElementById('width').focus()")
    for _ in range(50):
        page.key("ArrowLeft")
    assert page.run("document.getElementById('width').value") == "50"
    low, high = 0.25 * peak, 0.75 * peak
    place = np.argwhere((truth > low + 0.05) & (truth < high - 0.05))[0]
    share = (truth[tuple(place)] - low) / (high - low)
    expected = pytest.approx(255 * float(share), abs=1)
    for canvas in ("[data-panel=truth] canvas", "#left-canvas"):
        page.until(f"document.getElementById('white').textContent === '{high:.2g}'")
        row, column = map(int, place)
        found = pixel(page, canvas, row, column)[0]
        if canvas.startswith("["):
            assert found == expected
        else:  # clean, 0.01 brighter
            assert found == pytest.approx(255 * float(share + 0.01 / (high - low)), abs=2)
    assert pixel(page, "[data-panel=attacked] canvas") == error
    assert page.run("document.getElementById('black').textContent") == f"{low:.2g}"
    page.run("document.getElementById('whole').click()")
    page.until(f"document.getElementById('white').textContent === '{peak:.2g}'")
    assert page.run("[...document.querySelectorAll('.grey output')].map(one => one.textContent)") == ["100 %", "50 %"]


def test_pictures_are_smooth_unless_pixels_are_asked_for(page):
    rendering = "getComputedStyle(document.querySelector('.panels canvas')).imageRendering"
    assert page.run(rendering) == "auto"
    page.run("document.getElementById('pixels').click()")
    assert page.run(rendering) == "pixelated"


def test_a_table_is_saved_from_the_page_itself(page, tmp_path):
    page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.run("document.querySelector('a[download=\"means-over-images.csv\"]').click()")
    saved = tmp_path / "means-over-images.csv"
    end = time.monotonic() + 20
    while not saved.exists():
        page.run("1")
        assert time.monotonic() < end
        time.sleep(0.02)
    assert saved.read_text().startswith(
        "metric,epsilon,made for,scored on,zero-filled,clean,noise,attacked,attacked low"
    )


def test_on_a_phone_the_attacked_column_is_in_sight(browser, folder):
    browser.resize(390, 844, mobile=True)
    browser.open(folder / "report.html")
    browser.until("document.getElementById('panels').classList.contains('drawn')")
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    sides = browser.run(
        "[...document.querySelectorAll('td.attacked')].map(cell => cell.getBoundingClientRect())"
        ".map(box => [box.left, box.right])"
    )
    assert len(sides) >= 12
    assert all(0 < left < right <= 390 for left, right in sides)


def test_paper_has_whole_pictures_all_rows_and_no_controls(page):
    """A picture that the end of a page cuts is black on both pages."""
    page.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert page.run(
            "[...document.querySelectorAll('.panels figure, .chart, .frame, tr')]"
            ".every(one => getComputedStyle(one).breakInside === 'avoid')"
        )
        assert page.run("[...document.querySelectorAll('.controls, .hint, .download')].every(one => !one.offsetHeight)")
        # A long table is folded on the screen.
        folded = "<details><summary>All</summary><p id=folded>rows</p></details>"
        page.run(f"document.querySelector('main').insertAdjacentHTML('beforeend', {folded!r})")
        assert page.run("document.getElementById('folded').offsetHeight > 0")
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        # Before the pictures are drawn, the static figure is printed in their place.
        page.run("document.getElementById('panels').classList.remove('drawn')")
        assert page.run("document.querySelector('#static img').offsetWidth > 0")
        assert page.run("document.querySelector('#explorer').offsetHeight") == 0
        page.run("document.getElementById('panels').classList.add('drawn')")
        assert len(page.call("Page.printToPDF")["data"]) > 1000
    finally:
        page.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("kind", ["report", "comparison"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(browser, folder, tmp_path, width, kind):
    path = folder / "report.html"
    if kind == "comparison":
        other = write_run(tmp_path / ("a-long-name" * 8), ("varnet",))
        path = tmp_path / "comparison.html"
        path.write_bytes(comparison([folder, other]))
    browser.resize(width, 844, mobile=width < 500)
    browser.open(path)
    if kind == "report":  # the runs of the comparison share no image
        browser.until("document.getElementById('panels').classList.contains('drawn')")
        # No part of the explorer is clipped either.
        assert browser.run(
            "[...document.querySelectorAll('#explorer *')].filter(e => !e.closest('.frame') && e.offsetWidth)"
            f".every(e => e.getBoundingClientRect().right <= {width})"
        )
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.complaints() == []


def test_the_methods_of_several_runs_are_side_by_side(browser, folder, tmp_path):
    """Each under its own attack, on one scale; runs of another mask have another scale."""
    other = write_run(tmp_path / "other", ("varnet",), cases=(HOSTILE, "b.h5:0"), shape=SHAPE)
    with np.load(other / "pictures.npz") as file:
        halved: dict = {key: (file[key] / 2).astype(np.float16) for key in file.files}
    np.savez(other / "pictures.npz", **halved)
    (tmp_path / "comparison.html").write_bytes(comparison([folder, other]))
    browser.resize(1280, 900)
    browser.open(tmp_path / "comparison.html")
    browser.until("document.getElementById('panels').classList.contains('drawn')")
    captions = "[...document.querySelectorAll('#methods figcaption')].map(one => one.textContent)"
    attacked = "PSNR 25.00 dB, SSIM 0.650"
    assert browser.run(captions) == [f"l1{attacked}", f"unet{attacked}", f"varnet{attacked}"]
    with np.load(folder / "pictures.npz") as file:
        truth, clean = (file[f"{HOSTILE}|{name}"].astype(np.float32) for name in ("truth", "l1|clean"))
    white = np.quantile(truth, 0.999)
    picture = "#methods figure:nth-child({}) .image"
    # Under attack 0.1 is added to the truth.
    expected = [255 * min(float(image[5, 7] / white), 1) for image in (truth + 0.1, clean)]
    assert [pixel(browser, picture.format(index))[0] for index in (1, 3)] == pytest.approx([expected[0]] * 2, abs=1)
    choose(browser, "state", "clean")
    browser.until(f"{captions}[1].includes('PSNR 30.00 dB')")
    assert pixel(browser, picture.format(2))[0] == pytest.approx(expected[1], abs=1)
    assert browser.complaints() == []


def test_without_scripts_the_static_figure_is_shown(browser, folder):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "report.html")
        # The protocol's own expressions still run.
        assert browser.run("document.querySelector('#static img').offsetWidth > 0")
        assert browser.run("document.querySelector('#explorer').offsetHeight") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_the_browser_itself_forbids_what_the_page_never_does(browser, folder, tmp_path):
    """The page's policy forbids it, not its good will: an injected script does not run."""
    content = (folder / "report.html").read_text(encoding="utf-8")
    page = tmp_path / "spoilt.html"
    page.write_text(content.replace("<main>", "<main><script>window.slipped = 1</script>"), encoding="utf-8")
    browser.open(page)
    browser.until("document.getElementById('panels').classList.contains('drawn')")
    assert browser.run("window.slipped") is None
    assert any("Content Security Policy" in text for text in browser.complaints())
