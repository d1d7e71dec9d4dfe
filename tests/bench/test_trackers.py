"""bench.train --log: what a tracker gets, that it cannot stop a training, and what the packages read back."""

import json
import struct
import sys
import time

import pytest

from bench import train
from bench.plan.errors import UsageError
from bench.training import trackers
from bench.training.step import learning_rate
from bench.training.trackers import Following, Kind, check_tracker
from tests.bench.test_train import arguments, configuration, lines, write_images

SETTINGS = {"method": "unet", "steps": 6, "learning_rate": 0.5, "data": None, "shift": {"bias": 0.1}}


class Kept:
    """A tracker that keeps what it gets, and whose disk is full from some step on."""

    full_at = 99

    def __init__(self, folder, settings):
        self.folder, self.settings, self.points, self.closed = folder, settings, [], 0
        Kept.all.append(self)

    def log(self, step, values):
        if step >= self.full_at:
            raise OSError(28, "No space left on device\nsecond line")
        self.points.append((step, values))

    def close(self):
        self.closed += 1


@pytest.fixture
def kept(monkeypatch):
    Kept.all = []
    monkeypatch.setitem(trackers.TRACKERS, "wandb", Kind("json", Kept))
    monkeypatch.setattr(Kept, "full_at", 99)
    return Kept


def test_a_tracker_gets_the_log_and_the_learning_rate_and_stops_no_training(tmp_path, kept, monkeypatch, capsys):
    monkeypatch.setattr(kept, "full_at", 5)
    images = write_images(tmp_path / "images.h5")
    assert train.main(arguments(images, tmp_path / "runs", "--log", "wandb")) == 0
    (folder,), (mine,) = (tmp_path / "runs").iterdir(), kept.all
    notes = [line for line in capsys.readouterr().err.splitlines() if "--log" in line]
    assert notes == [
        "note: --log wandb: [Errno 28] No space left on device; the training goes on without it, and log.jsonl has "
        "every step"
    ]
    record = json.loads((folder / "train.json").read_text())
    assert (mine.folder, mine.settings, mine.closed) == (folder, record["config"], 0)
    rate = learning_rate(configuration(steps=6))
    expected = [
        (line["step"], {"loss": line["loss"], "learning_rate": float(rate(line["step"] - 1))})
        if "loss" in line
        else (line["step"], {f"validation/{name}": score for name, score in line["validation"].items()})
        for line in lines(folder)
    ]
    assert [step for step, _ in expected] == [0, 1, 2, 2, 3, 4, 4, 5, 6, 6]
    assert mine.points == expected[:7]
    assert (expected[1][1]["learning_rate"], expected[2][1]["learning_rate"]) == (0.0, pytest.approx(1e-3))

    assert train.main(["--resume", str(folder)]) == 0
    assert (len(kept.all), kept.all[1].folder, kept.all[1].closed) == (2, folder, 1)


def test_a_tracker_that_does_not_open_or_close_is_one_line(tmp_path, kept, monkeypatch, capsys):
    def fails(*_):
        raise RuntimeError

    for name in ("__init__", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(Kept, name, fails)
            following = Following("wandb", tmp_path, SETTINGS)
            following.log(1, {"loss": 1.0})
            following.close()
        assert capsys.readouterr().err.splitlines() == [
            "note: --log wandb: RuntimeError; the training goes on without it, and log.jsonl has every step"
        ]


def test_a_signal_is_no_failure_of_a_tracker(tmp_path, kept, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Kept, "log", stopped)
    with pytest.raises(KeyboardInterrupt):
        Following("wandb", tmp_path, SETTINGS).log(1, {"loss": 1.0})


def test_a_package_that_is_missing_is_one_line_before_anything_is_read(tmp_path, monkeypatch, capsys):
    for name, kind in trackers.TRACKERS.items():
        with monkeypatch.context() as patch:
            patch.setitem(trackers.TRACKERS, name, kind._replace(package=f"not_there_{name}"))
            assert train.main(["--log", name, "--data", "/not/there", "--output", str(tmp_path / "runs")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert (
            line == f"bench.train: error: --log {name}: not_there_{name} is not installed: pip install 'jaxcs[{name}]'"
        )
    assert not (tmp_path / "runs").exists()
    check_tracker(None)
    with pytest.raises(UsageError, match="unknown name 'tensorbord'; did you mean 'tensorboard'"):
        train.parser().parse_args(["--log", "tensorbord"])


def two_starts(name, folder, pause=0.0):
    """A training that is killed after step 2 and goes on from step 1."""
    folder.mkdir(exist_ok=True)
    for steps in ((0, 1, 2), (2, 3)):
        following = Following(name, folder, SETTINGS)
        for step in steps:
            following.log(step, {"loss": 1 / (1 + step), "learning_rate": 0.5})
            if step == 2:
                following.log(step, {"validation/ssim": 0.25, "validation/psnr": float("inf")})
        following.close()
        time.sleep(pause)


@pytest.mark.filterwarnings("default")
def test_tensorboard_reads_its_files(tmp_path, capsys):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG, parse_session_start_info_plugin_data

    two_starts("tensorboard", tmp_path / "run")
    assert capsys.readouterr().err == ""
    found = EventAccumulator(str(tmp_path / "run")).Reload()
    assert set(found.Tags()["scalars"]) == {"loss", "learning_rate", "validation/ssim", "validation/psnr"}
    losses = {one.step: one.value for one in found.Scalars("loss")}
    assert losses == pytest.approx({step: 1 / (1 + step) for step in range(4)})
    assert [one.value for one in found.Scalars("validation/psnr")][:1] == [float("inf")]
    content = found.SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    hparams = parse_session_start_info_plugin_data(content).hparams
    assert hparams["learning_rate"].number_value == 0.5
    assert (hparams["method"].string_value, hparams["shift"].string_value) == ("unet", '{"bias": 0.1}')


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_ends_tensorboard_alone(tmp_path, capsys, monkeypatch):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(type(tmp_path), "open", lambda path, mode: full)
        Following("tensorboard", tmp_path, SETTINGS).log(1, {"loss": 1.0})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: --log tensorboard: [Errno 28] No space left on device; the training goes on")


@pytest.mark.filterwarnings("default")
def test_mlflow_reads_its_store(tmp_path, capsys, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    two_starts("mlflow", tmp_path / "2026-11-26T14-05-31-train-unet-5f17c538")
    assert "note:" not in capsys.readouterr().err
    client = MlflowClient((tmp_path / "store").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("jaxcs").experiment_id])
    assert (run.info.run_name, run.info.status) == ("2026-11-26T14-05-31-train-unet-5f17c538", "FINISHED")
    assert run.data.params["learning_rate"] == "0.5"
    losses = {one.step: one.value for one in client.get_metric_history(run.info.run_id, "loss")}
    assert losses == pytest.approx({step: 1 / (1 + step) for step in range(4)})
    assert client.get_metric_history(run.info.run_id, "validation/ssim")[0].value == 0.25


def records(content):
    """The records of a .wandb file: a header of 7 bytes, then LevelDB's log format."""
    position, record = 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # a block's last bytes hold no record
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.mark.filterwarnings("default")
def test_wandb_reads_what_it_wrote_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    # A file of wandb is named by the second.
    two_starts("wandb", tmp_path / "2026-11-26T14-05-31-train-unet-5f17c538", pause=1.1)
    losses, settings = {}, {}
    for path in (tmp_path / "2026-11-26T14-05-31-train-unet-5f17c538").rglob("*.wandb"):
        for data in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if "loss" in row:
                losses[row["_step"]] = row["loss"]
            settings |= {item.key: item.value_json for item in record.run.config.update}
    assert losses == pytest.approx({step: 1 / (1 + step) for step in range(4)})
    assert settings["learning_rate"] == "0.5"
