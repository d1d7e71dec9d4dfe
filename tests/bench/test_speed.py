"""bench.speed: this project on tiny shapes, the use of the peers' files and figures, and mistakes in one line."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from bench import speed
from bench.plan.errors import OutputError
from bench.timing import agreement, ceilings, check, counts, curves, networks, ours, peers, rows, table, work
from bench.timing.ceilings import Ceilings
from bench.timing.converge import nrmse, smallest
from bench.timing.measure import shares, summarise
from bench.timing.names import NAMES, OF_CT
from bench.timing.process import Worker, WorkerError
from bench.timing.programs import cfl, with_ct
from jaxcs.recon import METHODS
from jaxcs.types import Measurement
from jaxcs.weights import archive
from tests.bench.test_survival import largest_file
from tests.hostile.seeds import network

TORCH = "bench.timing.programs.with_torch"
TINY = ["--shape", "4", "32", "112", "--repetitions", "1"]


@pytest.fixture
def alone(monkeypatch):
    """No peer is installed, and the ceilings are known."""
    nobody = peers.Peers(None, None, False, {}, ["SigPy is not installed", "BART is not on the path"])
    monkeypatch.setattr(peers, "find", lambda folder: nobody)
    monkeypatch.setattr("bench.timing.ceilings.measure", lambda accelerator: Ceilings(1e10, 1e11))


def test_our_side_alone(alone, capsys, tmp_path):
    path = tmp_path / "speed.json"
    assert speed.main([*TINY, "--only", "normal", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "SigPy is not installed" in err
    assert "BART is not on the path" in err
    assert "| one A^H A | jaxcs |  | " in out
    found = json.loads(path.read_text())
    assert [row["who"] for row in found["rows"]] == ["jaxcs"]
    assert all(row["median_s"] > 0 and row["peak_memory_bytes"] > 1e7 for row in found["rows"])
    assert found["shape"] == {"coils": 4, "rows": 32, "columns": 112}
    assert found["absent"]


def test_on_an_accelerator_several_are_timed_at_once(alone, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(speed, "_AT_ONCE", (1, 2))
    assert speed.main([*TINY, "--only", "normal", "--json", str(tmp_path / "speed.json")]) == 0
    out = capsys.readouterr().out
    assert "| one A^H A | jaxcs |  | " in out
    assert "| one A^H A, 2 at once | jaxcs |  | " in out
    one, two = json.loads((tmp_path / "speed.json").read_text())["rows"]
    assert (one["at_once"], two["at_once"]) == (1, 2)
    assert two["flops"] == 2 * one["flops"]
    assert one["first_s"] > one["median_s"]


@pytest.mark.parametrize(("name", "more"), [("normal", {}), ("wavelet", {"wavelet": "haar"})])
def test_several_at_once_are_several_times_the_same(name, more, tmp_path):
    rng = np.random.default_rng(0)
    kspace = (rng.normal(size=(3, 32, 112)) + 1j * rng.normal(size=(3, 32, 112))).astype(np.complex64)
    work.write(Measurement(kspace, np.ones(112, bool), kspace), tmp_path)
    one, two = (getattr(ours, name)({"folder": str(tmp_path), "at_once": n} | more)(1) for n in (1, 2))
    assert two.shape == (2, *one.shape)
    for found in two:
        np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())


def test_the_attack_on_several_examples_is_that_on_one(monkeypatch):
    monkeypatch.setitem(networks.STEPS, "unet", networks.TimedStep("attack", "unet", "u5", (1, 32, 32)))
    one, two = (networks.attack(networks.options("unet", n))(1) for n in (1, 2))
    # Of the mean over both, each has half.
    np.testing.assert_allclose(2 * two, np.stack([one, one]), rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_copying_on_the_device():
    assert ceilings.copy_on_device({"copied": 64})(1).tolist() == [2.0] * 16


def test_a_check_goes_on_after_a_part_that_fails(alone, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(check, "_attack", lambda flags, output: exec("raise RuntimeError('no memory')"))
    monkeypatch.setattr(check, "_parts", lambda flags, folder: {"parts_s": 1.0})
    monkeypatch.setattr(check, "_training", lambda flags, folder: {"same_bits": True})
    errors = {"l1": {"image default": 5e-3, "image highest": 1e-6}, "unet": {"image default": float("nan")}}
    monkeypatch.setattr(agreement, "compare", lambda *_: errors)
    assert speed.main(["--check", "tiny", "--json", str(tmp_path / "speed.json")]) == 1
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["date"]
    assert found["check"]["failed"] == [
        "attack: RuntimeError: no memory",
        "unet: image default differs from the CPU by more than 0.001",
    ]
    assert found["check"]["parts"] == {"parts_s": 1.0}
    assert found["check"]["failed"] == capsys.readouterr().out.splitlines()[-2:]


@pytest.mark.parametrize(("tensors", "same"), [((1, 1), True), ((1, 2), False)])
def test_trainings_are_the_same_if_their_tensors_are(monkeypatch, tmp_path, tensors, same):
    """Files differ in any case: each holds its command, which names its folder."""
    given = iter(tensors)

    def trained(commands):
        folder = Path(commands[0][-1]) / "run"
        folder.mkdir(parents=True)
        params, card = archive.decode(network())
        factor = np.float32(next(given))
        params = jax.tree.map(lambda leaf: factor * leaf, params)
        (folder / "weights.safetensors").write_bytes(archive.encode(params, card | {"command": str(folder)}))
        (folder / "log.jsonl").write_text('{"validation": {"ssim": 0.5}}\n')
        return [SimpleNamespace(seconds=1.0)]

    monkeypatch.setattr(check, "_commands", trained)
    assert check._training("--method unet", tmp_path)["same_bits"] is same


def test_methods_are_compared_with_the_cpu(monkeypatch):
    some = {name: METHODS[name] for name in ("zero_filled", "automap", "fbp")}
    monkeypatch.setattr(agreement, "METHODS", some)
    found = agreement.compare((2, 32, 112), True, lambda line: None)
    assert list(found) == list(some)
    assert all(sorted(errors) == ["gradient default", "image default"] for errors in found.values())
    assert agreement.beyond(found) == []


def test_a_full_disk_is_one_line(tmp_path):
    with largest_file(1), pytest.raises(OutputError, match=r"^--json .*/a\.json: File too large; give a file that"):
        speed._write(tmp_path / "a.json", "{}")


def test_curves(capsys, monkeypatch):
    """Each curve is timed at its sizes; the timed function is run once before it counts."""
    calls = []
    monkeypatch.setattr(curves, "_run", lambda **size: lambda: calls.append(size))
    assert speed.main([*TINY, "--curves", "--iterations", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["coils", "pixels", "iterations", "slices at once"]
    base = {"coils": 4, "rows": 32, "columns": 112, "iterations": 4, "batch": 1, "devices": 1}
    assert calls[:3] == calls[3:6] == [base | {"coils": coils} for coils in (1, 2, 4)]


def test_what_the_curves_time():
    for batch in (1, 2):
        image = curves._run(coils=2, rows=32, columns=32, iterations=1, batch=batch, devices=1)().image
        assert image.shape == (32, 32) if batch == 1 else (2, 32, 32)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_can_be_built(name, tmp_path):
    everybody = peers.Peers(tmp_path, tmp_path, True, {}, [])
    kspace = np.ones((3, 32, 112), np.complex64)
    work.write(Measurement(kspace, np.ones(112, bool), kspace), tmp_path)
    row = rows.build(name, (15, 640, 368), 60, tmp_path, everybody)
    assert row.sides[0].interpreter is None
    assert row.sides[0].count is not None
    assert min(row.sides[0].count) > 0
    assert all(side.count is None for side in row.sides if side.interpreter)
    json.dumps([side.options for side in row.sides])
    many = rows.build(name, (15, 640, 368), 60, tmp_path, everybody._replace(cupy=True), 4, True)
    each = 60 if name in ("l1", "l1-db4") else 1
    assert many.sides[0].count.flops == pytest.approx(4 * each * row.sides[0].count.flops)
    assert many.what.endswith(", 4 at once")
    # The solvers of others take one slice.
    assert {side.program.partition(":")[0] for side in many.sides[1:] if side.interpreter} <= {TORCH}
    on_gpu = rows.build(name, (15, 640, 368), 60, tmp_path, everybody._replace(cupy=True), 1, True)
    assert all("with CuPy" in side.who for side in on_gpu.sides if "with_sigpy" in side.program)
    assert [side.options["compiled"] for side in on_gpu.sides if side.program.startswith(TORCH)] in ([], [False, True])


@pytest.mark.parametrize(("of", "least"), [(with_ct.FORWARD, 0.01), (with_ct.ADJOINT, 0.03), (with_ct.FBP, 0.06)])
def test_our_radon_transform_and_scikit_image_do_the_same_work(of, least):
    """On pixels inside the circle: scikit-image's back-projection is 0 outside it."""
    options = {"size": 64, "views": 12, "of": of, "at_once": 1}
    mine, theirs = np.asarray(ours.radon(options)(1)), with_ct.scikit_image(options)(1)
    if of == with_ct.FORWARD:
        mine = mine.T
    else:
        inside = np.hypot(*(np.mgrid[:64, :64] - 32)) < 29
        # `iradon` divides by the views, with a filter or without.
        scale = np.pi / (2 * 12) if of == with_ct.ADJOINT else 1.0
        mine, theirs = scale * mine[inside], theirs[inside]
    assert np.linalg.norm(mine - theirs) < least * np.linalg.norm(theirs)
    assert ours.radon(options | {"at_once": 2})(1).shape[0] == 2


def test_peers_of_ct_have_rows_of_their_own(tmp_path):
    everybody = peers.Peers(None, None, False, {}, [], scikit_image=tmp_path, astra=tmp_path)
    who = {name: [side.who for side in rows.build(name, (1, 1, 1), 1, tmp_path, everybody).sides] for name in OF_CT}
    assert who["radon"] == ["jaxcs", "scikit-image", "ASTRA on the CPU, linear"]
    assert who["fbp"] == ["jaxcs", "scikit-image"]


def test_peers_are_looked_for_in_the_folder_first(tmp_path, monkeypatch):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("""#!/bin/sh\necho '{"sigpy": "9.9", "torch": "8.8"}'\n""")
    python.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = peers.find(tmp_path)
    assert (found.sigpy, found.versions["sigpy"], found.bart) == (python, "9.9", False)
    assert "BART is not on the path; its Debian package is called bart" in found.absent


def test_an_environment_that_does_not_run_is_said_in_one_line(tmp_path, capsys):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho first >&2\necho broken >&2\nexit 1\n")
    python.chmod(0o755)
    assert speed.main(["--peers", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"bench.speed: error: --peers: {python} does not run: broken\n"


def test_a_set_up_that_fails_is_said_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert speed.main(["--set-up", str(tmp_path / "file")]) == 4
    err = capsys.readouterr().err
    assert err.startswith(f"bench.speed: error: --set-up {tmp_path}/file: ")
    assert len(err.splitlines()) == 1


# ---- a program in a separate process -------------------------------------------------------------


def test_a_program_that_cannot_be_made_says_why():
    with pytest.raises(WorkerError, match=r"^bench\.timing\.nothing:at_all: ModuleNotFoundError: No module named"):
        Worker("bench.timing.nothing:at_all", {})


def test_a_program_that_fails_says_why(tmp_path):
    options = {"folder": str(tmp_path), "preset": "converged", "at_once": 1}
    with pytest.raises(WorkerError, match=r"espirit: FileNotFoundError: "):
        Worker("bench.timing.ours:espirit", options)


# ---- BART's files --------------------------------------------------------------------------------


@pytest.mark.parametrize("coils", [1, 3])
def test_bart_files_there_and_back(coils, tmp_path):
    rng = np.random.default_rng(0)
    array = (rng.normal(size=(coils, 5, 4)) + 1j * rng.normal(size=(coils, 5, 4))).astype(np.complex64)
    cfl.write(tmp_path / "array", array)
    np.testing.assert_array_equal(cfl.read(tmp_path / "array"), array[0] if coils == 1 else array)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("# Command\nbart\n", "array.hdr does not say its dimensions"),
        ("# Dimensions\n5 4 2 3\n", "not those of one slice"),
        ("# Dimensions\n5 4 1 2\n", "array.cfl has 60 values, its header says 40"),
    ],
)
def test_bart_files_that_are_wrong(header, message, tmp_path):
    cfl.write(tmp_path / "array", np.zeros((3, 5, 4)))
    (tmp_path / "array.hdr").write_text(header)
    with pytest.raises(ValueError, match=message):
        cfl.read(tmp_path / "array")


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not on the path")
def test_bart_reads_and_writes_them(tmp_path):
    from bench.timing.programs.with_bart import _bart

    array = np.arange(60).reshape(3, 5, 4).astype(np.complex64)
    cfl.write(tmp_path / "array", array)
    _bart(tmp_path, 1, "scale", "2", "array", "twice")
    np.testing.assert_array_equal(cfl.read(tmp_path / "twice"), 2 * array)


# ---- figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [1, 2, 15, 16, 17, 100, 511, 999, 1000])
def test_the_smallest_number_of_iterations(answer):
    asked = []

    def distance(k):
        asked.append(k)
        return 10.0 ** (-3 - (k - answer) / 1000)

    assert smallest(distance) == answer
    assert 1000 not in asked
    assert len(asked) == len(set(asked)) <= 17


def test_nrmse():
    assert nrmse(np.array([3 + 4j, 0]), np.array([3 + 4.5j, 0])) == pytest.approx(0.5 / abs(3 + 4.5j))


def test_ratios_are_of_the_same_turn():
    found = summarise([2.0, 6.0, 30.0], [1.0, 2.0, 3.0])
    assert found == {"median_s": 6.0, "smallest_s": 2.0, "largest_s": 30.0, "times_ours": 3.0}


def test_exponent_of_a_power():
    sizes = [2.0, 5.0, 11.0]
    assert curves.exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_shares_of_the_ceilings():
    found = shares(counts.Counts(flops=6e9, bytes=2e9), 10, [2.0, 4.0, 100.0], Ceilings(bandwidth=1e10, product=1e11))
    assert found["share_of_copy"] == pytest.approx(2e10 / 1e10 / 4)
    assert found["share_of_product"] == pytest.approx(6e10 / 1e11 / 4)


def test_counted_operations_of_the_unet_are_those_of_its_convolutions():
    """One level: 3 x 3 from 1 to 8 and 8 to 8; below 8 to 16, 16 to 16; up 2 x 2, 16 to 8, 8 to 8; last 1 x 1."""
    pixels = 32 * 32
    convolutions = 9 * (8 + 64 + 128 + 64) * pixels + 9 * (128 + 256) * pixels / 4 + 4 * 128 * pixels / 4 + 8 * pixels
    rest = 20 * pixels * (8 + 16 / 4 + 8)
    assert counts.unet(32, 32, 1, 8, 1).flops == pytest.approx(2 * convolutions + rest)


def test_the_table():
    record = {"work": "l1", "what": "l1 reconstruction", "median_s": 1.0, "smallest_s": 0.5, "largest_s": 2.0}
    mine = record | {"who": "jaxcs", "iterations": 40, "times_ours": 1.0, "peak_memory_bytes": 4e8}
    mine |= {"first_s": 3.1, "share_of_copy": 0.25, "share_of_product": 0.1, "nrmse_to_our_solution": 0.0}
    peer = record | {"who": "BART", "iterations": 80, "times_ours": 2.5, "peak_memory_bytes": 3e7}
    peer |= {"nrmse_to_our_solution": 0.0123}
    lines = table.markdown([mine, peer]).splitlines()
    assert lines[2] == "| l1 reconstruction | jaxcs | 40 | 1 (0.5 to 2) | 1.00 | 3.1 | 0.40 GB | 25.0% | 10.0% |"
    assert lines[3] == "|  | BART | 80 | 1 (0.5 to 2) | 2.50 |  | 0.03 GB |  |  |"
    assert table.solutions([mine, peer]) == ["l1: the solution of BART is 1.23% (NRMSE) from ours."]


# ---- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--only", "l2"], 2, "unknown name 'l2'; did you mean 'l1'?"),
        (["--shape", "8", "16", "128"], 2, "--shape: needs 32 rows and 100 columns"),
        (["--peers", "nowhere"], 2, "--peers nowhere: no bin/python there; python -m bench.speed --set-up nowhere"),
        (["--json", "nowhere/speed.json"], 4, "--json nowhere/speed.json: is not a file in a folder that exists"),
        (["--set-up", "here", "--curves"], 2, "not allowed with argument"),
    ],
)
def test_mistakes_take_one_line(arguments, code, message, capsys):
    assert speed.main(arguments) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
