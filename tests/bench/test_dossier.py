"""bench.dossier and bench.verify: equal runs are equal archives, and what was changed in one is found."""

import hashlib
import io
import json
import shutil
import stat
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bench import attack, dossier, leaderboard, verify
from bench.figures import overview
from bench.plan.config import fingerprint_of
from bench.plan.errors import InputFileError
from bench.proof import software
from bench.proof.archive import MANIFEST, OF_THE_RUN, manifest, pack, unpacked
from bench.record.rows import row_of
from bench.record.summary import as_csv, summarise
from tests.helpers.cheap_run import FLAGS, write_volume


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small run with real numbers, and its dossier."""
    folder = tmp_path_factory.mktemp("dossier")
    volume = write_volume(folder / "volume.h5")
    flags = [*FLAGS, "--attack", "noise", "--data", str(volume), "--output", str(folder / "runs")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overview, "draw", lambda folder: b"figure")
        assert attack.main([*flags, "--save-perturbations"]) == 1  # a slice cannot be used
    (run,) = (folder / "runs").iterdir()
    assert dossier.main([str(run)]) == 0
    return run, run.with_name(f"{run.name}.zip")


def verified(capsys, *arguments):
    """Run bench.verify; returns its exit code, its lines, and the last line on standard error."""
    code = verify.main([*map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out.splitlines(), (told.err.splitlines() or [""])[-1]


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, content):
    """Write a dossier of these members with a manifest that suits them."""
    content = {name: value for name, value in content.items() if name != MANIFEST}
    with path.open("wb") as file:
        pack(file, path.parent, content | {MANIFEST: manifest(path.parent, content)})
    return path


def changes_of(path):
    with unpacked(path) as (_, changes):
        return changes


def test_equal_runs_are_equal_archives_whose_members_have_their_hashes(made, tmp_path, capsys):
    run, archive = made
    moved = shutil.copytree(run, tmp_path / "elsewhere")
    assert dossier.main([str(moved), "--output", str(tmp_path / "again.zip")]) == 0
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in capsys.readouterr().out
    found = members(archive)
    stated = json.loads(found.pop(MANIFEST))["members"]
    assert {name: one["sha256"] for name, one in stated.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in found.items()
    }
    # The run has a single method, turns nothing, and scores the whole image.
    left_out = {"transfer.png", "angle.png", "region.png"}
    assert found.keys() - {"report.html", "dossier.json", "software.cdx.json"} == set(OF_THE_RUN) - left_out
    assert all(found[name] == (run / name).read_bytes() for name in OF_THE_RUN if name in found)
    facts, record = json.loads(found["dossier.json"]), json.loads(found["run.json"])
    assert facts["protocol"]["eps"] == [0.05]
    assert (facts["protocol"]["version"], facts["data"]["sha256"]) == (1, record["data_sha256"])
    assert facts["flags"].keys() == record["flags"].keys()
    assert len(facts["not_checked"]) > len(record["not_checked"])
    assert facts["versions"] == record["versions"]


def test_a_dossier_and_a_run_are_verified_by_scores_of_this_machine(made, capsys):
    for path in made:
        code, lines, _ = verified(capsys, path)
        assert (code, lines[-1]) == (0, "verified")
        assert "scores of 2 images are those of the record, within 0.0001" in lines[-2]
        assert lines[-2].split()[0] == lines[-2].split()[2] != "0"


def test_any_changed_byte_is_found(made, tmp_path):
    content = made[1].read_bytes()
    path = tmp_path / "changed.zip"
    header, end = 43, len(content) - 22  # of the first member, and the archive's last record
    positions = {*range(header), *range(end - 40, len(content)), *range(header, end, len(content) // 30)}
    for position in sorted(positions):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with suppress(InputFileError):
            assert changes_of(path), position
    for other in (content + b"x", b"x" + content, content[:-1]):
        path.write_bytes(other)
        with suppress(InputFileError):
            assert changes_of(path)
    path.write_bytes(content)
    assert changes_of(path) == []


def test_a_changed_member_is_named(made, tmp_path, capsys):
    path = tmp_path / "changed.zip"
    content = members(made[1])
    with path.open("wb") as file:
        pack(file, tmp_path, content | {"figure.png": b"another"})
    code, lines, _ = verified(capsys, path)
    assert (code, lines[1:]) == (1, ["figure.png was changed", "differs"])


def forged(content, metric, factor):
    """Multiply the attacked scores of a metric, and make means and manifest suit them."""
    rows = [json.loads(line) for line in content["images.jsonl"].splitlines()]
    for row in rows:
        if row.get("metric") == metric:
            row["attacked"] *= factor
    summary = summarise(row_of(row) for row in rows if "failed" not in row)
    record = json.loads(content["run.json"]) | {"summary": [row.line() for row in summary]}
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return content | {"images.jsonl": lines, "summary.csv": as_csv(summary), "run.json": json.dumps(record).encode()}


def test_forged_scores_are_found_image_by_image(made, tmp_path, capsys):
    path = packed(tmp_path / "forged.zip", forged(members(made[1]), "ssim", 1.001))
    code, lines, _ = verified(capsys, path)
    assert (code, lines[-1]) == (1, "differs")
    assert [line.partition(" here")[0].rsplit(":", 1)[0] for line in lines[3:-1]] == [
        f"volume.h5:{index}: zero_filled under a perturbation of 0.05, ssim" for index in (0, 2)
    ]
    # A difference that rounding explains is none.
    assert verified(capsys, packed(path, forged(members(made[1]), "ssim", 1 + 1e-6)))[0] == 0


def test_means_that_are_not_of_the_images_are_found(made, tmp_path, capsys):
    content = members(made[1])
    record = json.loads(content["run.json"])
    record["summary"][0]["attacked"] += 1
    path = packed(tmp_path / "forged.zip", content | {"run.json": json.dumps(record).encode()})
    code, lines, _ = verified(capsys, path)
    assert (code, lines[-2]) == (1, "the means of run.json are not those of images.jsonl")
    run = shutil.copytree(made[0], tmp_path / "run")
    (run / "run.json").write_bytes(json.dumps(record).encode())
    assert dossier.main([str(run)]) == 3
    assert "the means of run.json" in capsys.readouterr().err


def perturbed(content, change):
    """The members with other perturbations."""
    file = io.BytesIO()
    with np.load(io.BytesIO(content["perturbations.npz"])) as kept:
        np.savez(file, **{name: change(kept[name]) for name in kept.files})
    return content | {"perturbations.npz": file.getvalue()}


def test_a_perturbation_outside_its_set_is_found(made, tmp_path, capsys):
    path = packed(tmp_path / "forged.zip", perturbed(members(made[1]), lambda delta: delta * np.float32(2)))
    code, lines, _ = verified(capsys, path)
    assert code == 1
    largest = "volume.h5:0: largest norm of the perturbation for zero_filled of 0.05: 0.1 here, 0.05 in the record"
    assert largest in lines


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda delta: delta[:1], "is of shape (1, 40, 32), and not of (8, 40, 32)"),
        (lambda delta: delta.real, "is float32, as no attack of this threat makes it"),
        (lambda delta: delta.astype(np.complex128), "as no run writes it"),
    ],
)
def test_what_is_no_perturbation_is_one_line(made, tmp_path, capsys, change, words):
    path = packed(tmp_path / "forged.zip", perturbed(members(made[1]), change))
    code, lines, error = verified(capsys, path)
    assert (code, lines) == (3, [])
    assert words in error


def test_a_run_without_perturbations_is_verified_by_hashes_alone(made, tmp_path, capsys):
    content = members(made[1])
    del content["perturbations.npz"]
    code, lines, _ = verified(capsys, packed(tmp_path / "without.zip", content))
    assert code == 0
    assert lines[-1] == (
        "verified by hashes alone, no score computed again: the run stored no perturbations; run bench.attack with "
        "--save-perturbations, and its scores are verified too"
    )
    assert "verified" not in lines
    run = shutil.copytree(made[0], tmp_path / "run")
    (run / "perturbations.npz").unlink()
    code, lines, error = verified(capsys, run)
    assert (code, lines) == (3, [])
    assert "cannot be verified: it has no manifest, and the run stored no perturbations" in error
    # A run that was to keep them, and lost them, has no dossier.
    assert dossier.main([str(run)]) == 3
    assert "perturbations.npz: is missing" in capsys.readouterr().err


def configured(path, content, **changes):
    """Write a dossier whose run has another configuration."""
    record = json.loads(content["run.json"])
    record["config"] |= changes
    record["fingerprint"] = fingerprint_of(record["config"])
    return packed(path, content | {"run.json": json.dumps(record).encode()})


@pytest.mark.parametrize("name", ["antigravity:main", "antigravity"])
def test_code_that_a_dossier_names_is_not_imported(made, tmp_path, capsys, name):
    path = configured(tmp_path / "code.zip", members(made[1]), method=name)
    code, lines, _ = verified(capsys, path)
    assert code == 0
    assert f"verified by hashes alone, no score computed again: {name} is code that the run names" in lines[-1]
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "changes", [{"weights": "hf:stranger/net"}, {"networks": [["mine", "hf:stranger/net"]]}], ids=["one", "several"]
)
def test_weights_that_a_dossier_names_are_not_downloaded(made, tmp_path, capsys, changes):
    path = configured(tmp_path / "hub.zip", members(made[1]), **changes)
    code, lines, _ = verified(capsys, path)
    assert code == 0
    assert "verified by hashes alone, no score computed again: hf:stranger/net would be downloaded" in lines[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norm": "of a stranger"}, "run.json: is damaged or no file of bench.attack (norm 'of a stranger' is unknown"),
        ({"like": "of a stranger"}, "run.json: is damaged or no file of bench.attack (like 'of a stranger' is unknown"),
        ({"method": "sense"}, "'zero_filled' is no method of this run's configuration"),
        ({"data": None, "limit": 10**9}, "the phantom: lacks 'volume.h5:0', which the run has"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line(made, tmp_path, capsys, changes, words):
    path = configured(tmp_path / "odd.zip", members(made[1]), **changes)
    code, lines, error = verified(capsys, path)
    assert (code, lines) == (3, [])
    assert words in error
    assert error.startswith("bench.verify: error: ")
    assert "jaxcs-dossier-" not in error


def test_data_may_be_elsewhere_and_must_be_those_of_the_run(made, tmp_path, capsys):
    content = members(made[1])
    volume = json.loads(content["run.json"])["config"]["data"]
    path = configured(tmp_path / "moved.zip", content, data=str(tmp_path / "gone" / "volume.h5"))
    code, lines, error = verified(capsys, path)
    assert (code, lines) == (3, [])
    assert error.startswith("bench.verify: error: --data ")
    assert verified(capsys, path, "--data", volume)[0] == 0
    other = tmp_path / "volume.h5"
    other.write_bytes(Path(volume).read_bytes() + b"0")
    code, _, error = verified(capsys, path, "--data", other)
    assert code == 3
    assert "'volume.h5' is not the file of the run (SHA-256)" in error


def unsafe(name, *, link=False, twice=False, deflated=False, size=None):
    def write(path, content):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
            for known, value in content.items():
                archive.writestr(known, value)
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK if link else stat.S_IFREG) << 16
            for _ in range(1 + twice):
                archive.writestr(info, "/etc/passwd" if size is None else bytes(size))

    return write


def null_in_a_name(path, content):
    unsafe("figure.png#.txt")(path, {name: value for name, value in content.items() if name != "figure.png"})
    path.write_bytes(path.read_bytes().replace(b"figure.png#", b"figure.png\0"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (unsafe("../../outside"), "which is no file of a dossier"),
        (unsafe("/tmp/outside"), "which is no file of a dossier"),
        (null_in_a_name, "which is no file of a dossier"),
        (unsafe("RUN.JSON"), "which is no file of a dossier"),
        (unsafe("transfer.png", link=True), "its transfer.png is no file but a link or a device"),
        (unsafe("transfer.png", twice=True), "it holds transfer.png twice"),
        (unsafe("transfer.png", deflated=True, size=1_000_000), "it is compressed"),
        (lambda path, content: path.write_bytes(b""), "is damaged"),
        (lambda path, content: path.write_bytes(b"PK" * 1000), "is damaged"),
        (lambda path, content: path.symlink_to("/dev/zero"), "no regular file"),
        (lambda path, content: packed(path, {"run.json": b"{}"}), "it lacks images.jsonl"),
    ],
)
def test_an_archive_that_would_hurt_is_one_line(made, tmp_path, capsys, write, words):
    path = tmp_path / "hostile.zip"
    write(path, members(made[1]))
    code, lines, error = verified(capsys, path)
    assert (code, lines) == (3, [])
    assert error.startswith(f"bench.verify: error: {path}: ")
    assert words in error
    assert [one.name for one in tmp_path.iterdir()] == ["hostile.zip"]


def test_no_run_or_an_unfinished_run_has_no_dossier(made, tmp_path, capsys):
    run = shutil.copytree(made[0], tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"status": "interrupted"}))
    for path, words in ((run, "has not finished"), (tmp_path / "nowhere", "run.json: is missing")):
        assert dossier.main([str(path)]) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert dossier.main([str(made[0]), "--output", str(run / "run.json")]) == 2
    assert dossier.main([str(made[0]), "--output", str(tmp_path / "absent" / "x.zip")]) == 4
    assert not list(tmp_path.glob("*.zip"))


def test_the_bill_of_materials_names_each_package_once_and_what_it_needs(made, capsys, monkeypatch):
    bill = json.loads(members(made[1])["software.cdx.json"])
    project, *libraries = bill["metadata"]["component"], *bill["components"]
    assert project["name"] == "jaxcs"
    names = [one["name"] for one in libraries]
    assert {"python", "jax", "jaxlib", "numpy", "h5py"} <= set(names)
    assert "pytest" not in names
    known = [one["bom-ref"] for one in (project, *libraries)]
    assert len(set(known)) == len(known)
    needs = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert needs.keys() | set.union(*needs.values()) <= set(known)
    assert any(one.startswith("pkg:pypi/numpy@") for one in needs[project["bom-ref"]])
    monkeypatch.setattr(software, "versions", lambda: dict.fromkeys(("python", *software.PACKAGES), "0.0.1"))
    assert dossier.main([str(made[0])]) == 3
    assert "but here it is 0.0.1, so that its software cannot be listed" in capsys.readouterr().err


def test_the_bill_of_materials_suits_the_schema_of_cyclonedx(made):
    reason = "cyclonedx-python-lib and jsonschema are not installed: jaxcs[test]"
    json_validation = pytest.importorskip("cyclonedx.validation.json", reason=reason)
    pytest.importorskip("jsonschema", reason=reason)
    from cyclonedx.schema import SchemaVersion

    validator = json_validation.JsonStrictValidator(SchemaVersion.V1_6)
    bill = members(made[1])["software.cdx.json"].decode()
    assert validator.validate_str(bill) is None
    assert validator.validate_str(bill.replace('"library"', '"book"')) is not None


def test_an_entry_of_a_leaderboard_is_verified_with_its_run(made, tmp_path, capsys):
    board = tmp_path / "board"
    add = ["add", str(made[1]), "--board", str(board), "--despite"]
    assert leaderboard.main([*add, *json.loads((made[0] / "run.json").read_text())["flags"]]) == 0
    (path,) = board.glob("*.json")
    assert leaderboard.main(["score", str(path)]) == 0
    entry = json.loads(path.read_text())
    entry["scores"][0]["attacked"] += 0.1
    path.write_text(json.dumps(entry))
    capsys.readouterr()
    assert leaderboard.main(["score", str(path), str(made[0])]) == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [f"{path}: 'scores' differs from that of the run", "differs"]
