"""bench.inspect: the measures of one image of a run, in a file and a figure."""

import json

import numpy as np
import pytest

from bench import attack, inspect
from bench.record.pictures import Pictures
from jaxcs.measures.fourier_ring import patch_correlation
from tests.helpers.cheap_run import write_volume

FLAGS = ["--method", "sense", "--steps", "3", "--acceleration", "2.5", "--center-fraction", "0.25", "--eps", "0.1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    attack.main([*FLAGS, "--data", str(write_volume(folder / "volume.h5", maps=False)), "--output", str(folder)])
    (found,) = (path.parent for path in folder.glob("*/run.json"))
    return found


def test_it_measures_the_states_of_the_image(run, capsys):
    assert inspect.main([str(run), "--case", "volume.h5:2"]) == 0
    said = capsys.readouterr().out
    assert "sense on volume.h5:2, epsilon 0.1" in said
    assert "attacked: " in said
    found = json.loads((run / "inspection.json").read_text())
    assert (run / "inspection.png").read_bytes().startswith(b"\x89PNG")
    energies = [found["states"][state]["hallucinated_energy"] for state in ("clean", "noise", "attacked")]
    assert energies[2] > energies[1] > energies[0] > 0
    with Pictures(run / "pictures.npz") as pictures:
        image, truth = (np.float32(pictures.read(f"volume.h5:2|{name}")) for name in ("sense|sense|0.1", "truth"))
    agreement = patch_correlation(image, truth, found["patch"])
    expected = np.min(np.asarray(agreement.cutoff)[~np.asarray(agreement.air)])
    assert found["states"]["attacked"]["least_cutoff"] == pytest.approx(expected, rel=0.02)
    # The solution doubles no direction more than 1 / (2 sqrt(lam)) = 5 times, of which some pixel has a part.
    assert 0.5 < found["sensitivity"]["largest"] < 5 * 2**0.5


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--case", "volume.h5:9"], "the run has 'volume.h5:0', 'volume.h5:2'"),
        (["--method", "l1"], "the run has 'sense'"),
    ],
)
def test_what_the_run_has_not(run, flags, said, capsys):
    assert inspect.main([str(run), *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_run_without_the_pictures(run, capsys):
    pictures = run / "pictures.npz"
    hidden = pictures.rename(run / "hidden.npz")
    assert inspect.main([str(run)]) == 3
    hidden.rename(pictures)
    assert "pictures.npz: is missing; name a run that kept its pictures" in capsys.readouterr().err
