"""The networks of a study of defences that nobody gave: trained once, and resumed if they were stopped."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from bench.plan.config import RunConfig
from bench.plan.errors import DONE, RunError
from bench.processes.distributed import ALONE
from bench.record.records import RunFolder
from bench.record.resumable import resumable
from bench.training import session
from bench.training.config import TrainConfig
from jaxcs.catalogue import METHODS, PHANTOMS

_WEIGHTS = "weights.safetensors"
# Weights are written at every better validation; this file says that no step is left.
_ENDED = "ended"
# Half of the diverse scans are shifted by the sizes that bench.shift compares.
_DIVERSE_SHIFT, _DIVERSE_SHARE = (("contrast", 2.0), ("noise", 4.0)), 0.5


class Recipe(NamedTuple):
    """The settings of the trainings of a study.

    Attributes:
        variant: named configuration of the network.
        steps: number of optimiser steps.
        images: number of training images.
        jitter: largest relative norm of the noise on the data of the network that is trained with noise [-].
        eps: relative norm of the attack on each example of the network that is trained under attack [-].
        seed: seed of all trainings.
    """

    variant: str
    steps: int
    images: int
    jitter: float
    eps: float
    seed: int

    def configuration(self, kind: str, base: RunConfig) -> TrainConfig:
        """Return the settings of a training.

        Args:
            kind: "plain", "jitter", "adversarial" or "diverse".
            base: method, phantom and sampling.
        """
        assert base.acceleration is not None
        assert base.center_fraction is not None
        return TrainConfig(
            method=base.method,
            variant=self.variant,
            data=None,
            validation=None,
            phantom=PHANTOMS if kind == "diverse" else (base.phantom,),
            images=self.images,
            validation_images=None,
            rows=0,
            mask=base.mask,
            acceleration=base.acceleration,
            center_fraction=base.center_fraction,
            loss=METHODS[base.method].published_loss,
            steps=self.steps,
            batch=1,
            accumulate=1,
            learning_rate=1e-3,
            precision="float32",
            adversarial_eps=self.eps if kind == "adversarial" else 0.0,
            adversarial_steps=2,
            jitter=self.jitter if kind == "jitter" else 0.0,
            every=250,
            patience=20,
            initial=None,
            seed=self.seed,
            licence="Apache-2.0",
            shift=_DIVERSE_SHIFT if kind == "diverse" else (),
            shifted=_DIVERSE_SHARE if kind == "diverse" else 1.0,
        )


def command_of(config: TrainConfig) -> list[str]:
    """Return the words after `python -m bench.train` that make a training of a study."""
    words = ["--method", config.method, "--variant", config.variant, "--phantom", *config.phantom]
    words += ["--mask", config.mask, "--acceleration", f"{config.acceleration:g}"]
    words += ["--center-fraction", f"{config.center_fraction:g}"]
    words += ["--images", str(config.images), "--steps", str(config.steps), "--seed", str(config.seed)]
    if config.shift:
        words += ["--shift", *(f"{name}={size:g}" for name, size in config.shift), "--shifted", f"{config.shifted:g}"]
    words += ["--jitter", f"{config.jitter:g}"] if config.jitter else []
    return words + (["--adversarial-eps", f"{config.adversarial_eps:g}"] if config.adversarial_eps else [])


def weights_of(config: TrainConfig, output: Path, device: str, again: list[str]) -> str:
    """Return the file of a network's weights, trained as far as that is not done.

    Args:
        config: settings of the training.
        output: folder of the trainings of this network.
        device: "auto", or the kind of device that must be there.
        again: the words of the study's command, which is what goes on if the training is stopped.

    Raises:
        RunError: the training cannot begin, go on, or end.
    """
    argv = command_of(config)
    before = sorted(output.glob(f"*-{config.fingerprint()}*"))
    ended = next((path for path in before if _ended(path)), None)
    if ended is not None:
        return str(ended / _WEIGHTS)
    print(f"python -m bench.train {shlex.join(argv)}", file=sys.stderr, flush=True)
    with resumable(shlex.join(["python", "-m", *again])):
        if before:
            code = session.go_on(before[-1], device=device, team=ALONE)
        else:
            code = session.run(config, tracker=None, output=output, device=device, argv=argv, team=ALONE)
    found = sorted(output.glob(f"*-{config.fingerprint()}*"))
    if code != DONE or not found:
        raise RunError(f"{output}: the training did not end well; start the study again, or give --weights")
    RunFolder(found[-1]).write(_ENDED, b"")
    return str(found[-1] / _WEIGHTS)


def _ended(path: Path) -> bool:
    return (path / _ENDED).exists() and (path / _WEIGHTS).exists()
