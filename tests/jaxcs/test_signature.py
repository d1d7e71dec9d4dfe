"""Reconstructions that a user may name; a stand-in for PyTorch's modules shows what is bridged without PyTorch."""

from functools import partial
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from jaxcs import interop
from jaxcs.interop import reconstruction_of
from jaxcs.interop.signature import is_module, makes_reconstruction, takes_maps


class Module:
    """A stand-in for `torch.nn.Module`: its call takes anything, and hands it on."""

    __module__ = "torch.nn.modules.module"
    training = True

    def __call__(self, *arguments, **named):
        return self.forward(*arguments, **named)

    def eval(self):
        self.training = False
        return self


class OfTwo(Module):
    def __init__(self, channels=8, pools=4):
        self.channels = channels

    def forward(self, kspace, mask):
        return jnp.sum(jnp.abs(kspace * mask), axis=0)


class OfThree(Module):
    def forward(self, kspace, mask, maps=None):
        return jnp.sum(jnp.abs(kspace * mask * maps), axis=0)


class Callable:
    def __call__(self, kspace, mask):
        return kspace


def of_any(*arguments):
    return arguments


@pytest.fixture(autouse=True)
def no_bridge(monkeypatch):
    monkeypatch.setattr(interop, "from_torch", lambda module: module)


def test_two_or_three_arguments_are_told_by_the_signature():
    for given, expected in (
        (OfTwo(), False), (OfThree(), True), (lambda kspace, mask: 0, False), (lambda kspace, mask, maps: 0, True),
        (Callable(), False), (of_any, True), (partial(OfThree.forward, None), True), (np.add, True),
        (SimpleNamespace(takes_maps=False), False),
    ):  # fmt: skip
        assert takes_maps(given) is expected, given


def test_what_is_called_without_arguments_gives_the_reconstruction():
    for given, expected in (
        (OfTwo, True), (Callable, True), (OfTwo(), False), (Callable(), False), (of_any, False), (lambda: 0, True),
        (lambda channels=3: 0, True), (lambda kspace, mask=None: 0, False), (jnp.abs, False), (3, False),
    ):  # fmt: skip
        assert makes_reconstruction(given) is expected, given


def test_modules_are_put_into_eval_and_bridged():
    module = OfTwo()
    for given in (module, OfTwo, lambda: OfTwo(3)):
        made = reconstruction_of(given)
        assert isinstance(made, OfTwo)
        assert not made.training
    assert reconstruction_of(module) is module
    assert reconstruction_of(of_any) is of_any
    assert not is_module(Callable())


def test_the_library_attacks_a_module():
    kspace = np.fft.fftshift(np.random.default_rng(0).normal(size=(2, 16, 16)) + 0j)
    for network in (OfTwo(), OfThree):
        report = jaxcs.attack(network, kspace, np.ones(16, bool), kspace, eps=[0.1], steps=2)
        assert report.attacked[0].shape == (16, 16)
