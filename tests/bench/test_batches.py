"""Batches of a training and of its validation, whoever makes them and however many at once."""

import time

import jax
import numpy as np
import pytest

from bench.training import examples
from bench.training.examples import Batch
from tests.bench.test_train import configuration


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_batches_come_in_order_however_many_are_made_at_once(backend, monkeypatch):
    def slow(found, config, size, step, own):
        time.sleep(0.005 * (3 - step % 3))  # later ones are done first
        return step

    monkeypatch.setattr(examples, "_batch", slow)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    made = examples.batches(None, configuration(), 5, range(1), lambda step: 10 * step)
    assert [next(made) for _ in range(7)] == [50, 60, 70, 80, 90, 100, 110]


def test_validation_takes_images_of_one_shape_at_once(monkeypatch):
    shapes = [(4, 4), (4, 4), None, (4, 4), (4, 6), (4, 4)]  # None cannot be used

    def one(found, index, config):
        if shapes[index] is None:
            return None
        return Batch(*(np.full((1, *shapes[index]), index) for _ in Batch._fields))

    monkeypatch.setattr(examples, "fixed_example", one)
    batches = list(examples.fixed_batches(None, range(6), configuration(), 2))
    assert [members for members, _ in batches] == [[0, 1], [3], [4], [5]]
    for members, batch in batches:
        assert batch.target.shape == (2, *shapes[members[0]])
        # The first of a short batch fills it up.
        assert batch.target[:, 0, 0].tolist() == (members * 2)[:2]
