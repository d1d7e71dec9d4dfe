"""Trackers that follow a training: TensorBoard, Weights & Biases and MLflow, each an optional package.

A tracker gets what log.jsonl has and the learning rate, and decides nothing.  Where it writes is set as in any program,
in the environment: WANDB_MODE and WANDB_PROJECT, MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bench.plan.errors import UsageError
from jaxcs.names import first_line, printable

# The group of the runs, unless the environment names another one.
_GROUP = "jaxcs"


class Tracker(Protocol):
    """The log of a package; its methods may raise anything."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add values of one step."""

    def close(self) -> None:
        """Write what is left."""


class Kind(NamedTuple):
    """A package that can follow a training.

    Attributes:
        package: the module to import.
        open: folder of the run, settings of the training -> tracker.
    """

    package: str
    open: Callable[[Path, Mapping[str, Any]], Tracker]


class Following:
    """A tracker that cannot stop a training: after its first failure it is left out, and one line says so.

    Args:
        name: name in `TRACKERS`, or None for no tracker.
        folder: folder of the run.
        settings: settings of the training.
    """

    def __init__(self, name: str | None, folder: Path, settings: Mapping[str, Any]) -> None:
        self._name = name
        self._tracker: Tracker | None = None
        if name is not None:
            self._try(lambda: self._opened(TRACKERS[name], folder, settings))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add values of one step."""
        tracker = self._tracker
        if tracker is not None:
            self._try(lambda: tracker.log(step, values))

    def close(self) -> None:
        """End the tracking."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            self._try(tracker.close)

    def _opened(self, kind: Kind, folder: Path, settings: Mapping[str, Any]) -> None:
        self._tracker = kind.open(folder, settings)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # each package raises its own types
            self._tracker = None
            reason = printable(first_line(error) or type(error).__name__)
            print(
                f"note: --log {self._name}: {reason}; the training goes on without it, and log.jsonl has every step",
                file=sys.stderr,
                flush=True,
            )


def check_tracker(name: str | None) -> None:
    """Check that the package of a tracker is there.

    Raises:
        UsageError: it is not installed.
    """
    if name is not None and find_spec(TRACKERS[name].package) is None:
        raise UsageError(f"--log {name}: {TRACKERS[name].package} is not installed: pip install 'jaxcs[{name}]'")


class _TensorBoard:
    """An event file in the folder of the run, which TensorBoard names by this folder.

    The package's own `EventFileWriter` writes in a thread, which prints a traceback if the disk is full.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._writer = RecordWriter((folder / name).open("xb"))
        self._add(file_version="brain.Event:2")
        # TensorBoard knows truths, numbers and texts.
        plain = {name: value if isinstance(value, int | float) else _text(value) for name, value in settings.items()}
        self._add(summary=hparams_pb(plain, trial_id=folder.name))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        points = [self._summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._add(step=step, summary=self._summary(value=points))

    def close(self) -> None:
        self._writer.close()

    def _add(self, **content: Any) -> None:
        self._writer.write(self._event(wall_time=time.time(), **content).SerializeToString())
        self._writer.flush()


class _WeightsAndBiases:
    """A run of Weights & Biases with the name of the folder; a resumed training goes on in it."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _GROUP),
            id=folder.name,
            name=folder.name,
            dir=folder,
            config=dict(settings),
            resume="allow",
            settings=wandb.Settings(console="off"),  # the streams are the command's
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    """A run of MLflow with the name of the folder; a resumed training goes on in it."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        # A server that does not answer is left out after seconds; by default MLflow tries for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._client, self._metric = MlflowClient(), Metric
        group = os.environ.get("MLFLOW_EXPERIMENT_NAME", _GROUP)
        known = self._client.get_experiment_by_name(group)
        experiment = self._client.create_experiment(group) if known is None else known.experiment_id
        begun = self._client.search_runs([experiment], f"attributes.run_name = '{folder.name}'")
        run = begun[0] if begun else self._client.create_run(experiment, run_name=folder.name)
        self._run = run.info.run_id
        self._client.update_run(self._run, status="RUNNING")
        params = [Param(name, _text(value)) for name, value in settings.items()]
        self._client.log_batch(self._run, params=params)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = round(1000 * time.time())
        self._client.log_batch(self._run, [self._metric(name, value, now, step) for name, value in values.items()])

    def close(self) -> None:
        self._client.set_terminated(self._run)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


TRACKERS = {
    "mlflow": Kind("mlflow", _MLflow),
    "tensorboard": Kind("tensorboard", _TensorBoard),
    "wandb": Kind("wandb", _WeightsAndBiases),
}
