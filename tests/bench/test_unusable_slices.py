"""Slices that cannot be used, or hardly: each fails alone, and doubts about the others are kept with them."""

import json

import h5py
import numpy as np
import pytest

from bench import attack
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UnsuitedError
from bench.record.run_record import read_run
from bench.record.store import Image
from bench.run.finish import doubtful
from bench.slices import coverage
from bench.slices.prepare import prepare
from bench.studies.tuning.tuning import _prepared
from bench.training.examples import Examples, fixed_example
from data_prep import phantom
from data_prep.cases import Case, Doubt, InputError
from data_prep.coil_array import sensitivities
from jaxcs.coils.coverage import left_out
from jaxcs.fourier import fft2c
from tests.bench.test_train import configuration
from tests.helpers.cheap_run import SHAPE, cheapen, go_on, start

CONFIG = RunConfig(acceleration=2.5, center_fraction=0.3)


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    cheapen(monkeypatch)


@pytest.fixture(scope="module")
def scans():
    return np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(3)]) * np.complex64(1e-6)


@pytest.fixture
def case():
    return phantom.case("knee", "train", 0, SHAPE)


def write(path, kspace, **more):
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        for name, values in more.items():
            file[name] = values
    return path


def unit_maps(kspace):
    return np.full(kspace.shape, kspace.shape[1] ** -0.5, np.complex64)


def test_a_slice_with_maps_of_zero_fails_alone_and_stays_failed(tmp_path, capsys, scans):
    maps = unit_maps(scans)
    maps[0] = 0
    code, folder = start(write(tmp_path / "v.h5", scans, maps=maps), tmp_path / "out")
    assert code == 1
    for _ in range(2):
        record = json.loads((folder / "run.json").read_text())
        ((name, reason),) = record["failed"].items()
        assert name == "v.h5:0"
        assert "its coil maps are zero wherever there is signal; correct 'maps'" in reason
        assert record["summary"][0]["n"] == 2
        assert go_on(folder) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_slice_that_the_mask_misses_fails_alone(tmp_path, scans):
    kspace = scans.copy()
    mask = np.zeros(SHAPE[1], np.uint8)
    mask[8:24] = 1
    kspace[1, ..., 8:24] = 0
    kspace[1, 0, 20, 8] = np.nan
    path = write(
        tmp_path / "v.h5", kspace, maps=unit_maps(scans), mask=mask, reconstruction_rss=np.ones((3, *SHAPE), "f4")
    )
    code = attack.main(
        ["--method", "zero_filled", "--eps", "0.05", "--data", str(path), "--output", str(tmp_path / "out")]
    )
    record = json.loads(next((tmp_path / "out").iterdir()).joinpath("run.json").read_text())
    assert (code, list(record["failed"])) == (1, ["v.h5:1"])
    assert (record["config"]["mask"], record["config"]["acceleration"]) == ("of the file", None)
    assert {one["mask"] for one in record["sampling"].values()} == {"of the file"}
    # Pages can read the record, and the run can be resumed.
    folder = next((tmp_path / "out").iterdir())
    assert read_run(folder).content() == record
    assert go_on(folder) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--acceleration", "40"], "change --mask, --acceleration"),
        (["--center-fraction", "0.1"], "ESPIRiT needs"),
        (["--region", "30", "0", "20", "20"], "--region: v.h5:0 has 40 x 32 pixels"),
    ],
)
def test_flags_that_fit_no_slice_are_exit_2_and_leave_nothing(tmp_path, capsys, scans, flags, words):
    path = write(tmp_path / "v.h5", scans)
    given = ["--method", "zero_filled", "--data", str(path), "--output", str(tmp_path / "out"), *flags]
    assert attack.main(given) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_flags_that_fit_some_slices_fail_the_others(tmp_path, scans):
    write(tmp_path / "a.h5", scans[:1], maps=unit_maps(scans[:1]))
    write(tmp_path / "b.h5", scans[1:2, :, 8:32], maps=unit_maps(scans[1:2, :, 8:32]))
    code, folder = start(tmp_path, tmp_path / "out", "--region", "20", "0", "15", "20")
    assert code == 1
    assert list(json.loads((folder / "run.json").read_text())["failed"]) == ["b.h5:0"]


@pytest.mark.parametrize("flag", ["--mask=gaussian", "--acceleration=8", "--center-fraction=0.1"])
def test_a_flag_that_the_files_mask_contradicts_is_refused(tmp_path, capsys, scans, flag):
    target = np.ones((3, *SHAPE), np.float32)
    write(tmp_path / "v.h5", scans, mask=np.arange(SHAPE[1]) % 2, reconstruction_rss=target)
    given = ["--data", str(tmp_path), flag, "--output", str(tmp_path / "out")]
    assert attack.main(given) == 2
    assert f"{flag.split('=')[0]}: {tmp_path} is already under-sampled" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_among_files_without_a_mask_flags_are_for_those(tmp_path, capsys, scans):
    mask = np.abs(np.arange(SHAPE[1]) - 16) < 9
    target = np.ones((1, *SHAPE), np.float32)
    write(tmp_path / "a.h5", scans[:1], maps=unit_maps(scans[:1]))
    write(tmp_path / "b.h5", scans[:1], maps=unit_maps(scans[:1]), mask=mask.astype("u1"), reconstruction_rss=target)
    code, folder = start(tmp_path, tmp_path / "out")
    record = json.loads((folder / "run.json").read_text())
    assert code == 0
    assert [one["mask"] for one in record["sampling"].values()] == ["random", "of the file"]
    said = "b.h5:0: is already under-sampled by its own mask"
    assert said in capsys.readouterr().err
    assert [note for note in record["notes"] if said in note and note.endswith("in 1 of 2 images)")]


def test_doubts_are_said_and_kept(tmp_path, capsys, scans):
    maps = unit_maps(scans)
    code, folder = start(write(tmp_path / "v.h5", np.roll(scans, 6, -1), maps=maps), tmp_path / "out")
    err = capsys.readouterr().err
    record = json.loads((folder / "run.json").read_text())
    assert code == 0
    assert err.count("k-space has the peak of its energy") == 1
    assert [note for note in record["notes"] if "is not centred, in 3 of 3 images" in note]
    assert all(one["maps_leave_out"] > 0.1 for one in record["sampling"].values())


def test_doubts_are_counted_by_kind():
    said = [["few", "3 of 4"], ["off", "by 2"]]
    images = [Image(0, "a:0", sampling={"doubts": said}), Image(1, "a:1", sampling={})]
    images += [Image(2, "a:2", sampling={"doubts": said[:1]}), Image(3, "a:3", "bad")]
    assert doubtful(images) == ["a:0: 3 of 4 (few, in 2 of 3 images)", "a:0: by 2 (off, in 1 of 3 images)"]


def test_the_share_that_maps_leave_out_is_that_of_what_they_do_not_span():
    maps = sensitivities(SHAPE, (40.0, 32.0))
    maps = (maps / np.linalg.norm(maps, axis=0)).astype(np.complex64)
    image = np.zeros(SHAPE)
    image[8:30, 8:24] = 1
    whole = np.ones(SHAPE, bool)
    assert left_out(fft2c(maps * image), maps, whole) < 1e-5
    half = maps * (np.arange(32) < 16)
    assert left_out(fft2c(maps * image), half, whole) == pytest.approx(0.5, abs=1e-5)
    # The result does not depend on the norm of the maps.
    assert left_out(fft2c(maps * image), 7 * half, whole) == pytest.approx(0.5, abs=1e-5)
    assert left_out(np.zeros_like(maps), maps, whole) == 1


def test_what_lies_outside_the_centre_is_of_the_columns_there(case):
    kspace = np.ones((2, 4, 8), np.complex64)
    assert coverage.share_outside(kspace, (4, 2)) == pytest.approx((6 / 8) ** 0.5)
    prepared = prepare(case, RunConfig(acceleration=2.5, center_fraction=0.25))
    assert 0 < prepared.outside < 0.6
    assert prepared.described()["outside_centre"] == prepared.outside


def test_maps_that_cover_little_are_said_with_what_helps(case):
    own = case._replace(maps=np.where(np.arange(32) < 14, case.kspace.shape[0] ** -0.5, 0) * np.ones_like(case.kspace))
    prepared = prepare(own, CONFIG)
    assert prepared.left_out > 0.3
    (doubt,) = [one for one in prepared.doubts if "coil maps" in one.kind]
    assert f"{prepared.left_out:.0%}" in doubt.text
    assert "correct 'maps'" in doubt.text
    assert prepared.described()["maps_leave_out"] == prepared.left_out


def test_too_few_calibration_columns_are_named_with_the_flag(case, monkeypatch):
    monkeypatch.setattr("bench.slices.prepare.coil_maps", lambda kspace, calibration: np.zeros_like(kspace))
    with pytest.raises(UnsuitedError, match=r"the \d columns of .* too few; raise --center-fraction"):
        prepare(case, RunConfig(acceleration=4, center_fraction=0.19, mask="equispaced"))
    mask = np.abs(np.arange(32) - 15.5) < 3
    with pytest.raises(InputFileError, match="give 'maps' in its file"):
        prepare(case._replace(mask=mask, kspace=np.where(mask, case.kspace, 0)), CONFIG)


def test_without_a_background_there_is_no_thermal_level(case):
    full = 1e-4 * case.kspace
    full[:, 20, 16] = 1
    bare = case._replace(kspace=full, maps=np.full_like(full, full.shape[0] ** -0.5))
    assert prepare(bare, CONFIG).thermal is None
    with pytest.raises(InputFileError, match="no background to measure noise in"):
        prepare(bare, RunConfig(acceleration=2.5, center_fraction=0.3, norm="whitened"))


class _Cases:
    """Readers of three cases, of which the second cannot be used."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def examples(self, doubts=()) -> Examples:
        def bad() -> Case:
            raise InputError("b:0: is damaged")

        readers = {"a": lambda: self.case._replace(name="a", doubts=doubts), "b": bad, "c": lambda: self.case}
        return Examples(readers, [self.case.kspace.shape] * 3)


def test_a_training_leaves_out_what_it_cannot_use(case, capsys):
    config = configuration()
    examples = _Cases(case).examples((Doubt("off", "is off"),))
    assert examples.usable(1, config)[0] is case
    assert examples.usable(0, config)[0].name == "a"
    assert fixed_example(examples, 1, config) is None
    assert examples.failed == {"b": "b:0: is damaged"}
    err = capsys.readouterr().err
    assert err.count("left out: b:0: is damaged") == 1
    assert err.count("note: a: is off") == 1
    alone = Examples({"b": examples.readers[1]}, [case.kspace.shape])
    with pytest.raises(InputFileError, match="is damaged"):
        alone.usable(0, config)


def test_a_tuning_leaves_out_what_it_cannot_use(case):
    failed = {}
    maps = np.full_like(case.kspace, case.kspace.shape[0] ** -0.5)
    slices = _prepared(_Cases(case._replace(maps=maps)).examples(), CONFIG, failed)
    assert len(slices) == 2
    assert failed == {"b": "b:0: is damaged"}
