"""Devices that share a batch exchange one message a step: the gradient, summed."""

import re
import subprocess
import sys

from tests.helpers.faults import environment
from tests.helpers.places import ROOT

# The collective operations of a step that XLA compiles for four devices, one name a line.
PROGRAM = """
import jax, numpy as np
from bench import train
from bench.training import step
from bench.training.examples import Batch
from bench.training.placement import Placement
from jaxcs.recon import METHODS
import re

config = train.configuration(train.parser().parse_args(["--method", "varnet", "--batch", "8"]))
method = METHODS["varnet"].build(METHODS["varnet"].config(1, 4, 1, 4, 1))
batch = Batch(np.ones((1, 8, 3, 16, 12), np.complex64), np.ones((1, 8, 12), bool), np.ones((1, 8, 16, 12), np.float32),
              np.zeros((1, 8), np.complex64))
placement = Placement.of(8)
functions = step.build(config, method, mesh=placement.mesh)
state = placement.everywhere(functions.init(method.init(jax.random.key(0))))
compiled = functions.step.lower(state, placement.spread(batch), jax.random.key(0)).compile().as_text()
kinds = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
print(placement.mesh.size, *re.findall(rf" ({kinds})(?:-start)?\\(", compiled))
"""


def test_a_step_on_four_devices_has_one_sum_over_them(tmp_path):
    settings = environment(tmp_path)
    settings["XLA_FLAGS"] += " --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"\S+", done.stdout) == ["4", "all-reduce"]
