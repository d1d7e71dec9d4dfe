"""Figures are drawn even if Matplotlib has no folder, and a run that cannot draw loses nothing else."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.figures import feature_map, overview, side_by_side, transfer
from bench.figures.drawing import draw_into
from bench.plan.errors import InputFileError
from bench.record.record import read
from bench.record.records import RunFolder
from bench.record.summary import as_csv, summarise
from tests.helpers.cheap_run import cheapen, go_on, start, write_volume
from tests.helpers.faults import ROOT
from tests.helpers.run_folder import write_run


def figure(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "bench.figures.stub", SimpleNamespace(draw=draw))


def nowhere():
    raise FileNotFoundError("No usable temporary directory found")


def test_without_a_folder_for_temporary_files_matplotlib_gets_one_beside_the_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    seen = []

    def draw(words):
        seen.append(Path(os.environ["MPLCONFIGDIR"]))
        assert seen[-1].is_dir()
        return words.encode()

    figure(monkeypatch, draw)
    for given in (None, "/proc/nowhere"):
        monkeypatch.delenv("MPLCONFIGDIR", raising=False)
        if given is not None:
            monkeypatch.setenv("MPLCONFIGDIR", given)
        draw_into(RunFolder(tmp_path), "figure.png", "stub", "drawn", again="")
        assert os.environ.get("MPLCONFIGDIR") == given
    assert [path.parent for path in seen] == [tmp_path] * 2
    assert [path.read_text() for path in tmp_path.iterdir()] == ["drawn"]
    # A writable folder that the user names is used.
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("MPLCONFIGDIR", str(own))
    draw_into(RunFolder(tmp_path), "figure.png", "stub", "drawn", again="")
    assert seen[2] == own


def test_matplotlib_draws_without_home_and_temporary_files(tmp_path):
    lines = [{"step": 1, "loss": 0.5}, {"step": 1, "validation": {"ssim": 0.5}}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code = (
        "import sys, tempfile\n"
        "from pathlib import Path\n"
        "from bench.figures.drawing import draw_into\n"
        "from bench.record.records import RunFolder\n"
        "def nowhere(): raise FileNotFoundError('No usable temporary directory found')\n"
        "tempfile.gettempdir = nowhere\n"
        "folder = RunFolder(Path(sys.argv[1]))\n"
        "draw_into(folder, 'curve.png', 'training_curve', folder.path, again='')\n"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env=kept | {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.png", "log.jsonl"]
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_a_machine_that_cannot_draw_is_a_note(tmp_path, monkeypatch, capsys):
    def draw(error):
        raise error

    figure(monkeypatch, draw)
    path = tmp_path / "figure.png"
    for error in (OSError("no font"), RuntimeError("no font\nmore")):
        draw_into(RunFolder(tmp_path), path.name, "stub", error, again="bench.report")
        assert capsys.readouterr().err == f"note: {path} is not drawn: no font; bench.report draws it\n"
    draw_into(RunFolder(tmp_path), path.name, "absent", again="bench.report")
    assert f"note: {path} is not drawn: No module named 'bench.figures.absent'" in capsys.readouterr().err
    assert not path.exists()
    # Errors in the records are not turned into notes.
    for other in (InputFileError("damaged"), KeyError("loss")):
        with pytest.raises(type(other)):
            draw_into(RunFolder(tmp_path), path.name, "stub", other, again="")


def test_a_run_that_cannot_draw_is_whole_and_draws_later(tmp_path, monkeypatch, capsys):
    cheapen(monkeypatch)
    volume = write_volume(tmp_path / "volume.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.figures.overview.draw", lambda folder: nowhere())
        code, folder = start(volume, tmp_path / "runs")
    assert code == 1  # because of the image that cannot be used
    assert f"python -m bench.attack --resume {folder} draws it" in capsys.readouterr().err
    assert json.loads((folder / "run.json").read_text())["status"] == "done"
    assert (folder / "report.html").exists()
    assert not (folder / "figure.png").exists()
    assert go_on(folder) == 1
    assert (folder / "figure.png").read_bytes() == b"figure"


def test_figures_are_reached_in_this_way_alone():
    other = re.compile(
        r"^\s*(from bench\.figures(?!\.drawing\b)|import bench\.figures|import matplotlib|from matplotlib)", re.M
    )
    found = [path for path in (ROOT / "bench").rglob("*.py") if path.parent.name != "figures"]
    assert len(found) > 100
    assert [path for path in found if other.search(path.read_text(encoding="utf-8"))] == []


def test_every_method_of_a_run_is_in_its_figure(tmp_path, monkeypatch):
    """One image by each method under its own attack, and the errors on one scale."""
    folder = write_run(tmp_path / "run", ("l1", "unet", "tv"), shape=(12, 10))
    shown = []
    monkeypatch.setattr(side_by_side, "show", lambda axes, image, peak, title, *_: shown.append((title, peak, image)))
    assert side_by_side.draw(folder)[:4] == b"\x89PNG"
    titles = [title for title, _, _ in shown]
    assert titles[:4] == ["truth", "l1, 30.00 dB", "attacked, 25.00 dB", "error x5"]
    assert [title.partition(",")[0] for title in titles[1::3]] == ["l1", "unet", "tv"]
    assert len({peak for _, peak, _ in shown}) == 1
    errors = [image for title, _, image in shown if title == "error x5"]
    # Under attack 0.1 is added to the truth, in float16.
    assert all(np.allclose(image, 0.5, atol=1e-2) for image in errors)


def test_legends_cover_no_axes(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", ("l1", "unet"), shape=(12, 10))
    rows = summarise(read(folder).rows)
    (folder / "summary.csv").write_bytes(as_csv(rows))
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    for draw in (side_by_side.draw, transfer.draw):
        draw(folder)
    overview.draw(write_run(tmp_path / "one", shape=(12, 10)))
    for figure in drawn:
        FigureCanvasAgg(figure).draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert all(axes.get_legend() is None for axes in figure.axes)


def test_maps_of_all_methods_have_one_scale(tmp_path, monkeypatch):
    """A map on a scale of its own would make the best method look like the worst."""
    rows = [
        {"kind": "feature", "case": "a", "method": method, "size": 3, "row": 0, "column": 0, "mse": mse}
        for method, mse in (("unet", 4.0), ("varnet", 1.5))
    ]
    rows += [{"kind": "image", "case": "a", "method": method, "ssim": 0.5} for method in ("unet", "varnet")]
    (tmp_path / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    insertion = {"shape": "square", "size": 3.0, "contrast": 0.3, "reference": "maximum"}
    (tmp_path / "run.json").write_text(json.dumps({"config": {"insertion": insertion, "stride": 4}}))
    names = ("a|truth", "a|unet|clean", "a|varnet|clean")
    np.savez(tmp_path / "pictures.npz", **dict.fromkeys(names, np.ones((8, 8), np.float16)))
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    feature_map.draw(tmp_path)
    limits = {axes.images[-1].get_clim() for axes in drawn[0].axes if axes.get_title() == "MSE of the feature"}
    assert limits == {(0.0, 4.0)}
