"""Weights by the name of a repository: what is asked of the hub's client, and one line for every way that it fails."""

import sys
from types import SimpleNamespace

import pytest

from data_prep import hub
from data_prep.cases import InputError
from data_prep.weights import read_weights, shipped
from jaxcs.weights.files import load_weights

WEIGHTS = shipped()["irim-phantom-knee"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Errors:
    class EntryNotFoundError(Exception):
        pass

    class LocalEntryNotFoundError(EntryNotFoundError):
        pass

    class RepositoryNotFoundError(Exception):
        pass

    class RevisionNotFoundError(Exception):
        pass


@pytest.fixture(autouse=True)
def client(monkeypatch):
    """A stand-in for huggingface_hub, which has every file."""
    hub.file_of.cache_clear()
    made = SimpleNamespace(asked=[], size=1000, error=None, errors=Errors)

    def hf_hub_download(repo, file, *, revision, dry_run=False):
        made.asked.append((repo, file, revision, dry_run))
        if made.error is not None:
            raise made.error
        return SimpleNamespace(file_size=made.size) if dry_run else str(WEIGHTS)

    made.hf_hub_download = hf_hub_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", made)
    return made


def test_a_name_is_a_repository_a_file_and_a_revision(client):
    for name, expected in {
        "hf:me/knees": ("me/knees", "weights.safetensors", None),
        "hf:me/knees@v1": ("me/knees", "weights.safetensors", "v1"),
        "hf:me/knees.2/a/b.safetensors": ("me/knees.2", "a/b.safetensors", None),
        f"hf:me/knees/b.safetensors@{COMMIT}": ("me/knees", "b.safetensors", COMMIT),
        "hf:me/knees@refs/pr/1": ("me/knees", "weights.safetensors", "refs/pr/1"),
    }.items():
        client.asked.clear()
        assert read_weights(name).sha256 == load_weights(WEIGHTS).sha256
        assert client.asked == [(*expected, True), (*expected, False)]
    hub.file_of(name)
    assert len(client.asked) == 2  # one run reads one version


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hf:", "is no name of the hub: name hf:OWNER/REPO"),
        ("hf:me", "is no name of the hub"),
        ("hf:me/knees/", "is no name of the hub"),
        ("hf:me/knees@", "is no name of the hub"),
        ("hf:me/kn\u00e4es", "is no name of the hub"),
        ("hf:me/knees/a b.safetensors", "is no name of the hub"),
        ("hf:me/knees/model.bin", "model.bin is not taken from the hub: name a .safetensors file"),
        ("hf:me/knees/../../b.safetensors", "../../b.safetensors is not taken from the hub"),
    ],
)
def test_what_is_no_name_asks_nothing(client, name, problem):
    with pytest.raises(InputError) as raised:
        read_weights(name)
    assert str(raised.value).startswith(f"{name}: {problem}")
    assert not client.asked


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Errors.RepositoryNotFoundError("401\nlong"), "the hub has no me/knees, or does not show it to you: check"),
        (Errors.RevisionNotFoundError(), "me/knees has no revision v1: name a branch, a tag or a commit"),
        (Errors.EntryNotFoundError(), "me/knees has no weights.safetensors: name its file: hf:OWNER/REPO/FILE"),
        (Errors.LocalEntryNotFoundError(), "the hub is not reached, and the file is not in its cache: connect once"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device: try again"),
        (RuntimeError("first\nsecond"), "first: try again, or name a file"),
        (None, "is over 4 GB: use the weights of one network"),
    ],
)
def test_every_failure_is_one_line(client, error, problem):
    client.error, client.size = error, 5 * 10**9
    with pytest.raises(InputError) as raised:
        read_weights("hf:me/knees@v1")
    assert str(raised.value).startswith(f"hf:me/knees@v1: {problem}")
    assert str(raised.value).isprintable()
    assert len(client.asked) == 1


def test_the_extra_is_named_and_the_library_opens_no_connection(client, monkeypatch):
    with pytest.raises(ValueError, match=r"opens no connections: data_prep\.weights\.read_weights takes"):
        load_weights("hf:me/knees")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"huggingface_hub is not installed: pip install 'jaxcs\[hub\]'"):
        read_weights("hf:me/knees")
    assert not client.asked


@pytest.mark.filterwarnings("default")
def test_a_cached_file_is_read_without_a_connection(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "huggingface_hub")
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--me--knees"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "weights.safetensors").symlink_to(WEIGHTS)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for name in ("hf:me/knees", f"hf:me/knees@{COMMIT}"):
        assert read_weights(name).sha256 == load_weights(WEIGHTS).sha256
    for name in ("hf:me/knees@v1", "hf:me/knees/other.safetensors", "hf:me/brains"):
        with pytest.raises(InputError, match="the hub is not reached, and the file is not in its cache"):
            read_weights(name)
