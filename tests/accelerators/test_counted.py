"""Kernels and bytes of the main functions on an H100 stay below bounds, as compiled for it on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jax
import pytest

from tests.accelerators import compiler
from tests.accelerators.cases import CASES
from tests.accelerators.counted import BOUNDS
from tests.accelerators.hlo import count

RECORDED = json.loads(BOUNDS.read_text())
COMPILED = [name for name, case in CASES.items() if case.compiled]


@pytest.fixture(scope="module")
def counts():
    """The counts of all cases, made in one process, because the compiler for GPUs would stay in this process."""
    if RECORDED["jax"] != jax.__version__:
        pytest.skip(f"the bounds are of JAX {RECORDED['jax']}, and JAX is {jax.__version__}")
    if reason := compiler.missing():
        pytest.skip(reason)
    # The settings of the tests are for another compiler.
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "XLA_"))}
    command = [sys.executable, "-m", "tests.accelerators.counted", "--json"]
    done = subprocess.run(command, env=settings | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", COMPILED)
def test_kernels_and_bytes_stay_below_their_bounds(counts, name):
    """`python -m tests.accelerators.counted --write` renews the bounds, if more is meant."""
    bound = RECORDED["cases"][name]
    assert counts[name]["kernels"] <= bound["kernels"]
    assert counts[name]["bytes"] <= 1.01 * bound["bytes"]


def test_every_bound_has_its_case():
    assert sorted(RECORDED["cases"]) == sorted(COMPILED)


MODULE = """
%body (p: (s32[], c64[8,4])) -> (s32[], c64[8,4]) {
  %p = (s32[], c64[8,4]{1,0}) parameter(0)
  %x = c64[8,4]{1,0} get-tuple-element(%p), index=1
  %i = s32[] get-tuple-element(%p), index=0
  %f = c64[8,4]{1,0} fft(%x), fft_type=IFFT, fft_length={4}
  ROOT %t = (s32[], c64[8,4]{1,0}) tuple(%i, %f)
}

%take (a: f32[100,4], b: s32[]) -> f32[1,4] {
  %a = f32[100,4]{1,0} parameter(0)
  %b = s32[] parameter(1)
  ROOT %s = f32[1,4]{1,0} dynamic-slice(%a, %b, %b), dynamic_slice_sizes={1,4}
}

ENTRY %main (x: (s32[], c64[8,4]), a: f32[100,4], b: s32[]) -> f32[1,4] {
  %x = (s32[], c64[8,4]{1,0}) parameter(0)
  %a = f32[100,4]{1,0} parameter(1)
  %b = s32[] parameter(2)
  %w = (s32[], c64[8,4]{1,0}) while(%x), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %u = (s32[], c64[8,4]{1,0}) while(%w), condition=%c, body=%body
  %m = (f32[1,4]{1,0}, s8[4194304]{0}) custom-call(%a), custom_call_target="__cublas$gemm"
  ROOT %r = f32[1,4]{1,0} fusion(%a, %b), kind=kLoop, calls=%take
}
"""


def test_loops_transforms_parts_and_workspaces_are_counted_as_they_are():
    """Five turns of known number and one of unknown; an inverse transform passes twice; a part of `a` alone is read."""
    counts = count(MODULE)
    assert [(loop.turns, loop.kernels, loop.bytes) for loop in counts.loops] == [(5, 2, 1024), (None, 2, 1024)]
    assert counts.kernels == 5 * 2 + 2 + 1 + 1
    assert counts.bytes == 6 * 4 * 8 * 4 * 8 + (1600 + 16) + (16 + 4 + 16)
