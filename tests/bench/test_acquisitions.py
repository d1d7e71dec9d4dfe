"""--acquisition: files are chosen by the contrast that they name."""

import h5py
import numpy as np
import pytest

from bench import attack, train, ttt
from bench.evaluate import subjects
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.record.record import Record
from bench.slices.sources import open_source
from bench.studies.hardest.subset import _readers
from bench.training.data import training_examples
from data_prep import acquisition
from data_prep.acquisition import UNKNOWN, acquisitions_of, is_of
from data_prep.cases import InputError
from data_prep.files import list_cases
from tests.helpers.rows import record, row

NAMES = {"a": "CORPD_FBK", "b": "CORPDFS_FBK", "c": "AXT2", "d": None, "e": "CORPDFS_FBK"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("set")
    for name, contrast in NAMES.items():
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["kspace"] = np.ones((1, 2, 8, 8), np.complex64)
            if contrast is not None:
                file.attrs["acquisition"] = contrast
    return path


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("CORPD_FBK", ["PD"], True),
        ("CORPD_FBK", ["corpd_fbk"], True),
        ("CORPD_FBK", ["PDFS"], False),
        ("CORPDFS_FBK", ["PD"], False),
        ("CORPDFS_FBK", ["PD", "pdfs"], True),
        ("AXT1POST", ["T1POST"], True),
        ("AXT1POST", ["T1"], False),
        ("AXFLAIR", ["FLAIR"], True),
        ("AX", ["AX"], True),
        ("unknown", ["UNKNOWN"], True),
    ],
)
def test_a_contrast_is_named_in_whole_or_without_plane_and_sequence(name, wanted, expected):
    assert is_of(name, wanted) is expected


def volumes(acquisitions, folder):
    return [info.volume for info in list_cases(folder, validation=True, acquisitions=acquisitions).slices]


def test_the_files_of_a_contrast_are_chosen(folder):
    assert volumes((), folder) == ["a.h5", "b.h5", "c.h5", "d.h5", "e.h5"]
    assert volumes(["PDFS"], folder) == ["b.h5", "e.h5"]
    assert volumes(["AXT2", "PD"], folder) == ["a.h5", "c.h5"]
    assert volumes(["unknown"], folder) == ["d.h5"]
    with pytest.raises(InputError, match=r"no file is of T1: name other acquisitions; there are: CORPDFS_FBK \(2\), "):
        volumes(["T1"], folder)


def test_a_file_that_hangs_or_kills_the_reader_is_unknown_and_the_others_are_read(folder, monkeypatch):
    lines = acquisition._PROGRAM.replace("    try:", "    if path.endswith('c.h5'): import os; os.abort()\n    try:")
    monkeypatch.setattr(acquisition, "_PROGRAM", lines)
    files = sorted(folder.iterdir())
    assert acquisitions_of(files) == ["CORPD_FBK", "CORPDFS_FBK", UNKNOWN, UNKNOWN, "CORPDFS_FBK"]
    monkeypatch.setattr(acquisition, "_PROGRAM", lines.replace("os.abort()", "time; time.sleep(60)"))
    monkeypatch.setattr(acquisition, "_SECONDS", 1.0)
    monkeypatch.setattr(acquisition, "_FILES", 3)
    assert acquisitions_of(files)[:4] == ["CORPD_FBK", "CORPDFS_FBK", UNKNOWN, UNKNOWN]


def test_every_command_takes_it(folder):
    given = ["--data", str(folder), "--acquisition", "PDFS"]
    config = attack.configuration(attack.parser().parse_args(["--method", "zero_filled", *given]))
    assert config.acquisition == ("PDFS",)
    source = subjects.source_for(config, subjects.sources(config))
    assert source.volumes == ["b.h5", "e.h5"]
    assert source.description.endswith("PDFS")
    assert list(source.sha256) == ["b.h5", "e.h5"]
    assert RunConfig.from_dict(config.to_dict()) == config
    assert "acquisition" not in RunConfig().to_dict()
    trained = train.configuration(train.parser().parse_args(["--method", "unet", *given]))
    assert trained.acquisition == ("PDFS",)
    assert type(trained).from_dict(trained.to_dict()) == trained
    examples, said = training_examples(str(folder), ("knee",), None, acquisitions=("PDFS",))
    assert examples.names == ["b.h5:0", "e.h5:0"]
    assert "PDFS, 2 training images" in said
    target = ttt._target(ttt.parser().parse_args(given))
    assert (target.data, target.acquisition) == (str(folder), ("PDFS",))
    done = record(config={"data": str(folder), "phantom": "knee", "acquisition": ["PDFS"], "shift": {}})
    assert list(_readers(Record(folder, done, [row(case="b.h5:0")], []))) == ["b.h5:0", "e.h5:0"]


def test_the_phantom_and_images_have_none(tmp_path):
    with pytest.raises(UsageError, match="--acquisition: the phantom has none"):
        open_source(RunConfig(acquisition=("PD",)))
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["image"] = np.ones((3, 32, 32), np.float32)
    with pytest.raises(InputFileError, match="files of images name no acquisition: leave --acquisition out"):
        open_source(RunConfig(data=str(tmp_path / "images.h5"), acquisition=("PD",)))
