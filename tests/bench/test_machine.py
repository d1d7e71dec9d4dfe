"""Limits of a machine, and settings that decide numbers: memory, devices, and JAX's settings in the environment."""

import errno
import os
from types import SimpleNamespace

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.deploy.artefacts import artefacts
from bench.plan.errors import UsageError
from bench.record import provenance
from bench.record.stored import difference_of_versions
from bench.run.estimate import _activations, _maps, _multiplications
from bench.shell import attack_parser
from bench.shell.arguments import Parser
from bench.shell.command import execute
from bench.slices.sources import check_device
from data_prep.ending import in_one_line
from data_prep.files import list_cases
from data_prep.machine import is_of_memory, missing_device
from jaxcs.keys import new_key
from jaxcs.recon import METHODS
from jaxcs.types import Reconstructor
from tests.helpers.asserts import refused
from tests.jaxcs.test_float64 import float64

EXHAUSTED = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 33634666288 bytes.")
OF_MEMORY = [
    MemoryError(),
    EXHAUSTED,
    RuntimeError("can't start new thread"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libjax_common.so: failed to map segment from shared object"),
]


@pytest.mark.parametrize("error", OF_MEMORY, ids=lambda error: type(error).__name__)
def test_every_command_says_that_memory_ran_out_and_what_to_do(error, capsys):
    def work(arguments, argv):
        raise error

    parser = Parser(prog="bench.test")
    parser.set_defaults(device="auto")
    assert execute(parser, "bench.test", "use fewer coils", work, []) == 5
    assert capsys.readouterr().err == "bench.test: error: out of memory; use fewer coils\n"


def test_other_errors_are_not_of_memory():
    """Orbax, which writes checkpoints, reports a full disk as exhausted resources."""
    for error in (ValueError("RESOURCE_EXHAUSTED: No space left on device"), OSError(errno.ENOSPC, "No space left")):
        assert not is_of_memory(error)


@pytest.mark.parametrize(
    ("asked", "environment", "error", "line"),
    [
        ("auto", {}, RuntimeError(""), "--device auto: JAX finds no such device here; use --device cpu"),
        ("gpu", {"JAX_PLATFORMS": "cuda"}, AssertionError(), "--device gpu: JAX finds no such device here; install"),
        ("auto", {"JAX_PLATFORMS": "cuda,cpu"}, AssertionError(), "install jaxcs[cuda12] or jaxcs[cuda13], or unset "),
        ("auto", {"JAX_PLATFORMS": "foo"}, RuntimeError("Unable to"), "JAX_PLATFORMS=foo: JAX finds no such device"),
        (
            "auto",
            {"JAX_PLATFORMS": "cpu", "JAX_PLATFORM_NAME": "foo"},
            RuntimeError("Unknown backend foo. Available backends are ['cpu']"),
            "JAX_PLATFORM_NAME=foo: JAX finds no such device here; unset JAX_PLATFORM_NAME",
        ),
    ],
)
def test_the_cause_of_an_absent_device_is_named(asked, environment, error, line, monkeypatch):
    def devices():
        raise error

    for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert missing_device(asked) is None
    monkeypatch.setattr(jax, "devices", devices)
    assert line in missing_device(asked)
    with pytest.raises(UsageError, match="JAX finds no such device"):
        check_device(asked)


def test_commands_without_a_flag_for_the_device_name_the_cause_too(monkeypatch, capsys):
    def devices():
        raise AssertionError

    def work():
        jax.devices()
        return 0

    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    monkeypatch.setattr(jax, "devices", devices)
    assert in_one_line("data_prep", work, lambda error: None, "", debug=False) == 2
    line = "JAX_PLATFORMS=tpu: JAX finds no such device here; install jaxcs[tpu], or unset JAX_PLATFORMS"
    assert capsys.readouterr().err == f"data_prep: error: {line}\n"


def test_settings_under_which_no_method_works_are_named():
    check_device("auto")
    with jax.numpy_dtype_promotion("strict"), pytest.raises(UsageError, match="JAX_NUMPY_DTYPE_PROMOTION=strict"):
        check_device("auto")
    with jax.numpy_rank_promotion("raise"), pytest.raises(UsageError, match="unset JAX_NUMPY_RANK_PROMOTION"):
        check_device("auto")


def test_settings_that_move_numbers_are_of_the_versions(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8 --xla_dump_to=/tmp/there")
    before = provenance.versions()
    assert "XLA_FLAGS" not in before
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/there --xla_cpu_enable_fast_math=true")
    with float64(), jax.threefry_partitionable(False):
        after = provenance.versions()
        (sentence,) = provenance.about_settings()
    changed = {name: value for name, value in after.items() if name not in before}
    assert changed == {
        "JAX_ENABLE_X64": "True",
        "JAX_THREEFRY_PARTITIONABLE": "False",
        "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    }
    assert "JAX_ENABLE_X64=True" in sentence
    assert difference_of_versions(before, after) == "the setting JAX_ENABLE_X64 is not the same (not set and True)"
    assert difference_of_versions(after, after) is None


def test_keys_are_of_one_kind_whatever_the_default():
    with jax.default_prng_impl("rbg"):
        found = new_key(3)
    assert found.dtype == jax.random.key(3, impl="threefry2x32").dtype
    np.testing.assert_array_equal(jax.random.bits(found), jax.random.bits(new_key(3)))


def test_more_coils_than_maps_are_estimated_for_are_refused_before_anything_is_read(tmp_path):
    for coils in (256, 257):
        with h5py.File(tmp_path / f"{coils}.h5", "w") as file:
            file["kspace"] = np.ones((1, coils, 2, 2), np.complex64)
    assert list_cases(tmp_path / "256.h5", None).slices[0].shape == (256, 2, 2)
    refused(lambda path: list_cases(path, None), tmp_path / "257.h5", "257 coils", "data_prep fastmri RAW OUT --coils")


def test_the_memory_of_maps_follows_their_kernel():
    assert _maps((256, 320, 320), None) > 3e9
    # 80 columns give 6 calibration columns for kernels of 3; 256 columns give 20 for kernels of 6.
    assert _maps((16, 80, 80), 0.08) * 2**4 == _maps((16, 256, 256), 0.08) == _maps((16, 256, 256), None)


def test_only_what_larger_images_lack_is_a_matter_of_the_size():
    def method(least):
        def apply(params, measurement, key):
            if measurement.mask.size < least:
                raise TypeError("shapes do not fit")
            return jnp.abs(measurement.kspace[0])

        return Reconstructor(lambda key: {}, apply)

    with pytest.raises(ValueError, match="cannot take images of this size"):
        artefacts(method(16), {}, (2, 8, 8))
    with pytest.raises(TypeError, match="shapes do not fit"):
        artefacts(method(10**6), {}, (2, 8, 8))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.trained])
def test_the_cost_of_every_network_is_estimated(name):
    method = METHODS[name]
    for config in (method.config(), *method.presets.values()):
        cost = _multiplications(SimpleNamespace(method_config=config, params={}), (8, 320, 320))
        assert 1e6 < cost < 1e13
        assert 1e6 < _activations(config, (8, 320, 320)) < 1e12


def test_the_cost_of_a_network_of_another_package_follows_from_its_weights():
    subject = SimpleNamespace(method_config=object(), params={"kernel": np.ones((3, 3, 2, 8))})
    assert _multiplications(subject, (1, 10, 10)) == 144 * 100


@pytest.mark.parametrize(
    ("device", "setting", "override", "precision"),
    [
        (("cpu", None), None, None, "float32"),
        (("gpu", "9.0"), None, None, "float32, networks in TF32"),
        (("gpu", "10.0"), "bfloat16", None, "float32, networks in bfloat16"),
        (("gpu", "7.5"), None, None, "float32"),
        (("gpu", "gfx90a"), None, None, "float32"),
        (("gpu", "9.0"), None, "0", "float32"),
        (("gpu", "9.0"), "float32", None, "float32"),
        (("tpu", None), None, None, "float32, networks in bfloat16"),
        (("tpu", None), "highest", None, "float32"),
    ],
)
def test_the_record_says_in_which_precision_networks_multiply(device, setting, override, precision, monkeypatch):
    platform, capability = device
    one = SimpleNamespace(platform=platform, device_kind="a card", compute_capability=capability)
    monkeypatch.setattr(jax, "local_devices", lambda: [one])
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if override is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    with jax.default_matmul_precision(setting):
        assert provenance.device()["precision"] == precision


def test_the_flag_of_the_precision_is_a_setting_of_jax(monkeypatch):
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
    monkeypatch.setattr("bench.shell.command.keep_compiled", lambda: None)
    seen = []

    def work(arguments, argv):
        seen.append(os.environ["JAX_DEFAULT_MATMUL_PRECISION"])
        return 0

    for flags in ([], ["--precision", "float32"]):
        assert execute(attack_parser.parser(), "bench.attack", "", work, flags) == 0
    assert seen == ["bfloat16", "float32"]


class Device:
    """A device of a platform, as JAX names it."""

    def __init__(self, platform):
        self.platform = platform


@pytest.mark.parametrize(
    ("platform", "flags", "repeats"),
    [
        ("cpu", "", True),
        ("tpu", "", None),
        ("gpu", "", False),
        ("gpu", "--xla_gpu_deterministic_ops=false", False),
        ("gpu", "--xla_gpu_enable_x=1 --xla_gpu_deterministic_ops=true", True),
    ],
)
def test_the_record_says_whether_bits_repeat(platform, flags, repeats, monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(platform)])
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert provenance.repeats() is repeats
    assert any("last digits may change" in note for note in provenance.about_settings()) is (repeats is False)
