"""A training from configuration to weights: steps, validations, checkpoints, log."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from bench.evaluate import methods
from bench.figures.drawing import draw_into
from bench.plan.errors import DONE, SOME_FAILED, InputFileError, OutputError, UsageError
from bench.record import provenance
from bench.record.forms import mapping, number, optional, table, whole
from bench.record.lines import whole_lines
from bench.record.reading import parsed
from bench.record.records import RunFolder
from bench.slices.prepare import draw_mask
from bench.slices.source import refused
from bench.training import data, step
from bench.training.checkpoint import Checkpoints, Progress
from bench.training.config import TrainConfig
from bench.training.examples import batches, fixed_batches, fixed_example, of_one_coil
from bench.training.placement import Placement
from bench.training.trackers import Following
from data_prep.weights import read_weights
from jaxcs.keys import new_key
from jaxcs.recon import METHODS, fitted
from jaxcs.types import Params
from jaxcs.weights import archive

_METRICS = ("ssim", "psnr", "nmse")
# The form of a line of log.jsonl.
_LOGGED = table({"step": whole()}, {"loss": number, "validation": mapping(optional(number))})


class Training:
    """The functions and the data of one training.

    Args:
        config: settings of the training.
        command: arguments of the command, for the card of the weights.
    """

    def __init__(self, config: TrainConfig, command: list[str]) -> None:
        self.config, self.command = config, command
        entry = METHODS[config.method]
        self.training, self.validation, self.description = data.open_examples(
            config.data,
            config.validation,
            config.phantom,
            config.images,
            config.validation_images,
            config.shift,
            config.shifted,
            config.acquisition,
            config.views,
            config.sinograms,
        )
        preset = entry.presets[config.variant]
        if entry.one_coil:
            side = preset.side if entry.check_scan is not None else None
            self.training, self.validation = (of_one_coil(one, side) for one in (self.training, self.validation))
            self.description += ", of one coil: k-space of the magnitude image"
        shapes = [*self.training.shapes, *self.validation.shapes]
        methods.check_coils(config.method, preset, shapes)
        self._check_masks(shapes)
        case, _ = self.training.usable(0, config)
        if config.sinograms:
            assert case.maps is not None
            methods.check_image(config.method, entry, preset, case.maps.shape[-1], case.kspace.shape)
        self.method_config = fitted(preset, case.kspace.shape[1:], case.target.shape)
        self.method = entry.build(self.method_config)
        self.first_params = self._first_params()
        predict = None if entry.predict is None else entry.predict(self.method_config)
        by_batch = None if entry.train is None else entry.train(self.method_config)
        self.placement = Placement.of(config.batch)
        train_loss = None if entry.train_loss is None else entry.train_loss(self.method_config)
        self.functions = step.build(config, self.method, predict, by_batch, self.placement.mesh, train_loss)

    @property
    def devices(self) -> int:
        """Number of devices that share a batch."""
        return self.placement.mesh.size

    def run(self, folder: RunFolder, tracker: str | None, told_to_leave: Callable[[], bool] = lambda: False) -> int:
        """Train until all steps are done or validation stops improving.

        Args:
            folder: the folder of the run.
            tracker: name of a tracker that follows the training, or None.
            told_to_leave: whether the process has been told to stop; asked before each step.

        Returns:
            The exit code.

        Raises:
            KeyboardInterrupt: the process was told to stop; all finished steps are in a checkpoint.
        """
        self.folder = folder
        config, checkpoints = self.config, Checkpoints(folder.path)
        state = self.placement.everywhere(self.functions.init(self.first_params))
        progress = Progress(0, -math.inf, 0, 0)
        restored = checkpoints.restore(state)
        if restored is not None:
            state, progress = restored
            self._say(f"resuming after step {progress.step}")
        self._cut_log(-1 if restored is None else progress.step)
        begun, begun_step = time.monotonic(), progress.step
        # All at once: a single rate computed between two steps would wait for the first of them.
        self.rates = np.asarray(step.learning_rate(config)(np.arange(config.steps)))
        self.tracker = Following(tracker if self.placement.process == 0 else None, folder.path, config.to_dict())
        waiting: Array | None = None  # the loss of the last step, read while the next step is computed
        due = False
        try:
            if progress.best == -math.inf:  # not yet validated
                progress = self._validate(state.params, progress, begun, begun_step)
            for batch in batches(self.training, config, progress.step, self.placement.own, self.placement.spread):
                if told_to_leave():
                    raise KeyboardInterrupt
                if progress.step >= config.steps or progress.stale >= config.patience:
                    break
                key = jax.random.fold_in(new_key(config.seed), progress.step)
                state, loss = self.functions.step(state, batch, key)
                self._tell(progress.step, waiting)
                progress, waiting = progress._replace(step=progress.step + 1), loss
                due = progress.step % config.every == 0 or progress.step == config.steps
                if due:
                    self._tell(progress.step, waiting)
                    waiting = None
                    progress = self._validate(state.params, progress, begun, begun_step)
                    checkpoints.save(state, progress)
        except KeyboardInterrupt:
            # Without a validation that is due, the last checkpoint is the one to go on from.  Of several processes,
            # others may not be told to stop, or not after the same step.
            if self.placement.processes == 1 and not due:
                self._tell(progress.step, waiting)
                checkpoints.save(state, progress)
            raise
        finally:
            checkpoints.close()
            self.tracker.close()
        if self.placement.process == 0:
            again = f"python -m bench.train --resume {shlex.quote(str(self.folder.path))}"
            draw_into(self.folder, "curve.png", "training_curve", self.folder.path, again=again)
        why = "validation stopped getting better" if progress.stale >= config.patience else "all steps done"
        path = self.folder.path / "weights.safetensors"
        self._say(f"{why}; best validation SSIM {progress.best:.4f} at step {progress.best_step}, in {path}")
        failed = self.training.failed | self.validation.failed
        if failed:
            self._say(f"{len(failed)} images were left out, as the notes say")
        return SOME_FAILED if failed else DONE

    def _check_masks(self, shapes: list[tuple[int, int, int]]) -> None:
        """Raise UsageError if the flags describe a mask that cannot be drawn."""
        if self.config.sinograms:
            return
        for _, ny, nx in sorted(set(shapes)):
            try:
                draw_mask(self.config.sampling, (self.config.rows or ny, nx), (0, nx), (0,))
            except ValueError as error:
                raise UsageError(f"{error}; change --mask, --acceleration or --center-fraction") from error

    def _first_params(self) -> Params:
        if self.config.initial is None:
            entry = METHODS[self.config.method]
            if entry.first is None or entry.check_scan is None:
                return self.method.init(new_key(self.config.seed))
            example = fixed_example(self.training, 0, self.config)
            assert example is not None  # it has been read
            mask = np.broadcast_to(example.mask[0], example.kspace.shape[-2:])
            try:
                entry.check_scan(self.method_config, example.kspace.shape[1:], mask, {})
            except ValueError as error:
                raise UsageError(f"{error}; change --mask, --acceleration or --center-fraction") from error
            return entry.first(self.method_config, mask)(new_key(self.config.seed))
        with refused("--initial"):
            weights = read_weights(self.config.initial)
        kin = (self.config.method, METHODS[self.config.method].weights_of)
        if weights.method not in kin or weights.configured(self.method_config) != self.method_config:
            raise UsageError(
                f"--initial {self.config.initial}: holds {weights.method} {weights.config}; give weights of the "
                "network to train"
            )
        return weights.params

    def _tell(self, number: int, loss: Array | None) -> None:
        """Log the loss of a step, if there is one.

        Raises:
            OutputError: the loss is not finite.
        """
        if loss is None:
            return
        value = float(loss)
        if not math.isfinite(value):
            raise OutputError(f"the loss is not finite after step {number}; lower --learning-rate")
        self._log({"step": number, "loss": value})
        self.tracker.log(number, {"loss": value, "learning_rate": float(self.rates[number - 1])})

    def _validate(self, params: Params, progress: Progress, begun: float, begun_step: int) -> Progress:
        params = self.placement.here(params)
        # The last column is 1 for images that can be used.
        scores = np.zeros((len(self.validation), len(_METRICS) + 1), np.float32)
        own = range(self.placement.process, len(self.validation), self.placement.processes)
        # As many at once as a device has in training.
        for members, batch in fixed_batches(self.validation, own, self.config, self.config.batch // self.devices):
            found = self.functions.evaluate(params, batch)
            for column, name in enumerate(_METRICS):
                scores[members, column] = np.asarray(found[name])[: len(members)]
            scores[members, -1] = 1
        scores = self.placement.total(scores)
        scores = scores[scores[:, -1] > 0]
        if not len(scores):
            raise InputFileError("none of the validation images can be used, as the notes say; name others")
        means = {name: float(np.mean(scores[:, column])) for column, name in enumerate(_METRICS)}
        self._log({"step": progress.step, "validation": means})
        self.tracker.log(progress.step, {f"validation/{name}": mean for name, mean in means.items()})
        elapsed, done = time.monotonic() - begun, progress.step - begun_step
        left = elapsed / done * (self.config.steps - progress.step) if done else math.nan
        self._say(
            f"step {progress.step}/{self.config.steps}, validation SSIM {means['ssim']:.4f}, "
            f"PSNR {means['psnr']:.2f} dB, {elapsed:.0f} s" + (f", {left:.0f} s left" if done else "")
        )
        if not means["ssim"] > progress.best:
            return progress._replace(stale=progress.stale + 1)
        progress = progress._replace(best=means["ssim"], best_step=progress.step, stale=0)
        if self.placement.process == 0:
            # The card has the spread, so that a run can check whether its scores agree with the card.
            spread = scores[:, :-1].std(axis=0, ddof=min(1, len(scores) - 1)).tolist()
            stated = means | {f"{name}_spread": one for name, one in zip(_METRICS, spread, strict=True)}
            stated |= {"images": len(scores)}
            self.folder.write("weights.safetensors", archive.encode(params, self._card(progress, stated)))
        return progress

    def _card(self, progress: Progress, stated: dict[str, float]) -> dict[str, Any]:
        return {
            "method": self.config.method,
            "config": asdict(self.method_config),
            "training": {key: _without_folder(value) for key, value in self.config.to_dict().items()},
            "command": " ".join(["python -m bench.train", *map(_without_folder, self.command)]),
            "data": self.description,
            "shapes": sorted({tuple(shape) for shape in self.training.shapes}),
            "step": progress.step,
            "validation": stated,
            "licence": self.config.licence,
            "versions": provenance.versions(),
        }

    def _log(self, line: dict[str, Any]) -> None:
        if self.placement.process == 0:
            self.folder.append([line], "log.jsonl")

    def _say(self, line: str) -> None:
        if self.placement.process == 0:
            print(line, file=sys.stderr, flush=True)

    def _cut_log(self, step: int) -> None:
        """Drop the lines of steps after the checkpoint, because these steps will be done again."""
        path = self.folder.path / "log.jsonl"
        if self.placement.process == 0 and path.exists():
            lines = []
            for line in whole_lines(path):
                try:
                    content = parsed(line.decode("utf-8"))
                    _LOGGED(content)
                except (ValueError, RecursionError):  # the last line may be cut after a power failure
                    break
                if content["step"] <= step:
                    lines.append(line)
            self.folder.write("log.jsonl", b"".join(lines))


def _without_folder(value: Any) -> Any:
    """The last part of a path: cards are read on other machines, and the folders of this machine mean nothing there."""
    return value.rstrip("/").rsplit("/", 1)[-1] if isinstance(value, str) else value
