"""Weights of the Hugging Face hub: hf:OWNER/REPO[/FILE][@REVISION] names a file, which the hub's own cache keeps."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from data_prep.cases import InputError
from data_prep.safe_hdf5 import refusal
from jaxcs.names import first_line

# The name that `bench.train` gives to weights.
_FILE = "weights.safetensors"
_LARGEST = 4_000_000_000  # bytes
_NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<file>[^@\s]+))?(?:@(?P<revision>[^@\s]+))?", re.ASCII)


def is_of_hub(source: str | Path) -> bool:
    """Return whether this names a file of the hub."""
    return isinstance(source, str) and source.startswith("hf:")


@lru_cache(maxsize=32)  # one run reads one version
def file_of(name: str) -> Path:
    """Find a file of weights in the hub's cache, and download it if it is not there.

    Without a connection the file that was cached last for this revision is used.

    Args:
        name: hf:OWNER/REPO[/FILE][@REVISION]; the file is weights.safetensors if none is named, the revision main.

    Returns:
        The path of the file.

    Raises:
        InputError: the name is none, the file is not there, too large or no safetensors, or the hub is not reached; the
            message is one line.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise refusal(name, "is no name of the hub", "name hf:OWNER/REPO, hf:OWNER/REPO/FILE or hf:OWNER/REPO@REVISION")
    repo, file, revision = found["repo"], found["file"] or _FILE, found["revision"]
    if not file.endswith(".safetensors") or ".." in file.split("/"):
        raise refusal(name, f"{file} is not taken from the hub", "name a .safetensors file")
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise refusal(name, "huggingface_hub is not installed", "pip install 'jaxcs[hub]'") from error
    try:
        size = hf_hub_download(repo, file, revision=revision, dry_run=True).file_size
        if size > _LARGEST:
            raise refusal(name, "is over 4 GB", "use the weights of one network")
        return Path(hf_hub_download(repo, file, revision=revision))
    except InputError:
        raise
    except errors.RevisionNotFoundError as error:
        raise refusal(name, f"{repo} has no revision {revision}", "name a branch, a tag or a commit") from error
    except errors.RepositoryNotFoundError as error:
        raise refusal(
            name, f"the hub has no {repo}, or does not show it to you", "check the name; hf auth login"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        problem = "the hub is not reached, and the file is not in its cache"
        raise refusal(name, problem, "connect once, or name a file of this machine") from error
    except errors.EntryNotFoundError as error:
        raise refusal(name, f"{repo} has no {file}", "name its file: hf:OWNER/REPO/FILE") from error
    except Exception as error:  # the client has errors of several packages, and those of the disk
        raise refusal(name, first_line(error) or type(error).__name__, "try again, or name a file") from error
