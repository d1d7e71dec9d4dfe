"""--method MODULE:FUNCTION: every fault of a user's function is reported in one line, before a run begins."""

import sys

import jax
import jax.numpy as jnp
import pytest

from bench import attack
from bench.evaluate import brought
from bench.plan.errors import UsageError
from bench.slices.prepare import SliceData
from tests.helpers.cheap_run import write_volume

MINE = """
import sys, jax, jax.numpy as jnp, numpy as np

def magnitude(kspace):
    return jnp.sqrt(jnp.sum(jnp.abs(jnp.fft.ifft2(kspace)) ** 2, axis=0) + 1e-9)

def good(kspace, mask, maps):
    print("mine")
    return magnitude(kspace)

def constant(kspace, mask, maps): return np.ones(kspace.shape[1:])
def cut(kspace, mask, maps): return magnitude(kspace)[1:-1, 2:-2]
def no_gradient(kspace, mask, maps):
    shape = jax.ShapeDtypeStruct(kspace.shape[1:], jnp.float32)
    return jax.pure_callback(lambda k: np.abs(k[0]), shape, kspace, vmap_method="sequential")

def of_complex(kspace, mask, maps): return jnp.fft.ifft2(kspace)[0]
def of_integers(kspace, mask, maps): return magnitude(kspace).astype(int)
def of_coils(kspace, mask, maps): return jnp.abs(kspace)
def small(kspace, mask, maps): return magnitude(kspace)[4:-4]
def number(kspace, mask, maps): return 1.0
def nothing(kspace, mask, maps): pass
def two(kspace, mask): return magnitude(kspace)
def raises_of_two(kspace, mask): raise RuntimeError("boom")
def make(): return two
def none(channels=3): pass
def fails(): raise RuntimeError("no file")
class Mine:
    drawn = 0
    def __init__(self): Mine.drawn += 1
    def __call__(self, kspace, mask, maps=None): return magnitude(kspace * (maps is not None))
def raises(kspace, mask, maps): raise RuntimeError("boom\\nsecond line")
def exits(kspace, mask, maps): sys.exit(9)
def of_numpy(kspace, mask, maps): return np.abs(np.fft.ifft2(kspace)).sum(0)
def branches(kspace, mask, maps): return magnitude(kspace) if jnp.sum(mask) > 1 else None
three = 3
"""


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    for name, text in {
        "mine": MINE, "syntax": "def f(:\n", "boom": "raise RuntimeError('boom')", "lacks": "import not_there_at_all",
        "quits": "import sys; sys.exit(9)", "prints": "print('imported')\ndef f(kspace, mask): pass",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.py").write_text(text)
        # Tests of other files also use modules of these names.
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("mine", "prints"):
        sys.modules.pop(name, None)


def data():
    kspace = jnp.ones((2, 16, 12), jnp.complex64)
    return SliceData(kspace, jnp.ones(12, bool), kspace, jnp.ones((14, 8)), jnp.float32(1), jnp.eye(2, dtype=complex))


@pytest.mark.parametrize("name", ["good", "constant", "cut", "two", "make", "Mine"])
def test_what_can_be_used_passes(name, capsys, tmp_path, monkeypatch):
    brought.check_method(f"mine:{name}", data(), "apgd")
    monkeypatch.chdir(tmp_path)
    brought.check_method(f"./mine.py:{name}", data(), "apgd")
    assert capsys.readouterr().out == ""  # stdout is for results


def test_what_is_made_is_made_once_and_gets_the_maps_that_it_takes():
    brought.check_method("mine:Mine", data(), "apgd")
    apply = brought.method("mine:Mine").build(None).apply
    assert sys.modules["mine"].Mine.drawn == 1
    assert float(jnp.sum(apply({}, data(), None))) > 1


def test_an_attack_without_gradients_asks_for_none():
    for attack_name in ("noise", "spsa", "grid"):
        brought.check_method("mine:no_gradient", data(), attack_name)
    with pytest.raises(UsageError, match=r"^--method mine:no_gradient: .*: Pure callbacks do not support JVP"):
        brought.check_method("mine:no_gradient", data(), "pgd")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mine:of_complex", "returns complex64 values; return the magnitude image"),
        ("mine:of_integers", "returns int32 values; return the magnitude image"),
        ("mine:of_coils", "returns an array of (2, 16, 12); return the magnitude image (ny, nx)"),
        ("mine:small", "returns an image of (8, 12), smaller than the target of (14, 8); return (ny, nx)"),
        ("mine:number", "returns float; return an array"),
        ("mine:nothing", "returns NoneType; return an array"),
        ("mine:none", "gives NoneType; let it return a function of (kspace, mask) or (kspace, mask, maps)"),
        ("mine:fails", "fails when it is called without arguments: RuntimeError: no file"),
        ("mine:raises_of_two", "fails when JAX traces it with (kspace, mask): RuntimeError: boom; --debug shows where"),
        ("mine:raises", "fails when JAX traces it with (kspace, mask, maps): RuntimeError: boom; --debug shows where"),
        ("mine:exits", "ends the program when it is called (sys.exit(9))"),
        ("mine:of_numpy", "fails when JAX traces it with (kspace, mask, maps): TracerArrayConversionError: "),
        ("mine:branches", "fails when JAX traces it with (kspace, mask, maps): TracerBoolConversionError: "),
        ("mine:three", "is not a function but int; name a function of (kspace, mask) or (kspace, mask, maps)"),
        ("mine:absent", "module 'mine' has no attribute 'absent'; name MODULE:NAME, importable from this folder"),
        ("./mine.py:absent", "module 'mine' has no attribute 'absent'; name MODULE:NAME, importable from this folder"),
        ("not/there.py:f", "there is no file not/there.py; name MODULE:NAME, importable from this folder, or FILE.py"),
        ("./boom.py:f", "./boom.py cannot be imported: RuntimeError: boom"),
        ("json.py:f", "a module json is imported already, from another place: rename the file"),
        ("not_there:f", "No module named 'not_there'; name MODULE:NAME"),
        ("lacks:f", "No module named 'not_there_at_all'; name MODULE:NAME"),
        ("syntax:f", "syntax cannot be imported: SyntaxError: "),
        ("boom:f", "boom cannot be imported: RuntimeError: boom"),
        ("quits:f", "quits ends the program when it is imported (sys.exit(9))"),
        (":f", "Empty module name; name MODULE:NAME"),
        ("..:f", ".. cannot be imported: TypeError: "),
        ("a\u202eb\n:f", "No module named "),
    ],
)
def test_what_cannot_is_one_line(name, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        brought.check_method(name, data(), "apgd")
    (line,) = str(raised.value).splitlines()
    assert line.isprintable()
    assert line.startswith(f"--method {name if name.isprintable() else 'a?b?:f'}: {problem}")


def test_deepinverse_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepinv", None)
    needs = r"^--method deepinv:MoDL: it needs DeepInverse and PyTorch, .*: pip install 'jaxcs\[deepinv\]'$"
    with pytest.raises(UsageError, match=needs):
        brought.method("deepinv:MoDL")


def test_a_signal_and_memory_that_runs_out_are_no_faults_of_the_function(monkeypatch):
    brought.check_method("mine:good", data(), "noise")
    for error in (KeyboardInterrupt(), MemoryError()):

        def stop(*_, error=error):
            raise error

        monkeypatch.setattr(sys.modules["mine"], "good", stop)
        with pytest.raises(type(error)):
            brought.check_method("mine:good", data(), "noise")


def test_a_module_prints_to_stderr(capsys):
    brought.method("prints:f")
    assert capsys.readouterr() == ("", "imported\n")


def test_it_is_found_out_before_a_folder_is_made(tmp_path, capsys):
    volume = write_volume(tmp_path / "volume.h5", 2)
    flags = ["--data", str(volume), "--eps", "0.05", "--output", str(tmp_path / "runs"), "--center-fraction", "0.25"]
    for chosen in (["--method", "mine:exits"], ["--method", "zero_filled", "--victims", "mine:exits"]):
        assert attack.main([*chosen, *flags, "--acceleration", "2.5"]) == 2
        assert "--method mine:exits: ends the program when it is called" in capsys.readouterr().err
    assert attack.main(["--method", "mine:raises", *flags, "--acceleration", "2.5", "--debug"]) == 2
    assert 'raise RuntimeError("boom\\nsecond line")' in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_no_exit_code_but_ours_counts_while_it_is_compiled():
    function = brought.method("mine:exits").build(None).apply
    with pytest.raises(UsageError, match=r"sys\.exit\(9\)"):
        jax.jit(lambda kspace: function({}, data()._replace(kspace=kspace), jax.random.key(0)))(data().kspace)
