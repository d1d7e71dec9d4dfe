"""Hostile files of weights: pickles that would run a command, archives and headers with false statements."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors import numpy as tensors

from jaxcs.weights.archive import _digest
from tests.hostile.registry import Hostile, device, pipe
from tests.hostile.seeds import PARITY, state_of
from tests.hostile.watch import CANARY_NAME

MARKER = "pickle-was-run"  # a file that a hostile pickle would make


class _Runs:
    """Pickles as a command that makes the marker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARKER}",)


def _torch(program: bytes, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of this pickle as `torch.save` writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as out:
        out.writestr("archive/data.pkl", program)
        for name, content in (storages or {}).items():
            out.writestr(name, content)
    return file.getvalue()


def _names(count: int) -> bytes:
    """The pickle of a dictionary in which every entry is the same dictionary of `count` names."""
    inner = {f"a{number}": 0 for number in range(count)}
    return pickle.dumps({f"b{number}": inner for number in range(count)}, 2)


def _weights(reason: str, content: Callable[[], bytes], suffix: str = ".pt") -> Hostile:
    return Hostile("weights", reason, suffix, content)


def _card(reason: str, **settings: Any) -> Hostile:
    return _weights(reason, lambda: state_of(settings), ".safetensors")


def _tensors(reason: str, arrays: dict[str, np.ndarray]) -> Hostile:
    def content() -> bytes:
        card = {"method": "unet", "config": {"channels": 1, "pools": 1}, "sha256": _digest(arrays)}
        return tensors.save(arrays, metadata={"card": json.dumps(card)})

    return _weights(reason, content, ".safetensors")


def _safetensors(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def _arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, arr_0=np.array([_Runs()], dtype=object))
    return file.getvalue()


def _views() -> bytes:
    """A tensor that is requested again and again."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\x10\x27tQ"
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0M\x10\x27\x85K\x01\x85\x89}tR"
    entries = (b"X\x04\0\0\0%04x" % number + view for number in range(20_000))
    return _torch(b"\x80\x02}(" + b"".join(entries) + b"u.", {"archive/data/0": bytes(40_000)})


_ONE = np.ones(1, np.float16)
_BRACKETS = json.dumps({"__metadata__": {"card": "[" * 200_000}}).encode()
WEIGHTS = {
    "pickle": _weights("a pickle that would run a command", lambda: pickle.dumps(_Runs(), 2)),
    "pickle in archive": _weights("the same as torch.save writes it", lambda: _torch(pickle.dumps({"a": _Runs()}, 2))),
    "pickle checkpoint": _weights("the same as Lightning's", lambda: _torch(pickle.dumps({"a": _Runs()}, 4)), ".ckpt"),
    "pickle in arrays": _weights("the same in a .npz", _arrays, ".npz"),
    "pickle old format": _weights("before PyTorch 1.6", (PARITY / "unet_legacy.pt").read_bytes),
    "archive bomb": _weights("4 MB of zeros in 4 KB", lambda: _torch(bytes(2**22), compression=zipfile.ZIP_DEFLATED)),
    "archive outside": _weights(
        "members that lie outside of it",
        lambda: _torch(b"\x80\x02}.", {f"../{CANARY_NAME}": b"", "/etc/passwd": b"", "../x/data.pkl": b"\x80\x02}."}),
    ),
    "archive cut": _weights("cut short", lambda: (PARITY / "unet.pt").read_bytes()[:9000]),
    "pickle shared": _weights("400 names counted 400 million times", lambda: _torch(_names(20_000))),
    "pickle prefixes": _weights(
        "a name of 200 000 prefixes", lambda: _torch(pickle.dumps({"module." * 200_000: 0}, 2))
    ),
    "pickle of views": _weights("20 000 tensors that are the same 40 KB: 800 MB", _views),
    "tensors header": _weights("a header of 8 EB", lambda: _safetensors(b"{}", 2**63 - 1), ".safetensors"),
    "tensors sizes": _weights(
        "a tensor of 1 TB",
        lambda: _safetensors(b'{"a":{"dtype":"F32","shape":[4096,4096,16384],"data_offsets":[0,1099511627776]}}'),
        ".safetensors",
    ),
    "tensors brackets": _weights("a card of 200 000 brackets", lambda: _safetensors(_BRACKETS), ".safetensors"),
    "tensors no card": _weights("no card", lambda: tensors.save({"a": _ONE}), ".safetensors"),
    "tensors deep": _tensors("a name of 20 000 steps", {"a/" * 20_000 + "b": _ONE}),
    "tensors inside": _tensors("a tensor in a tensor", {"a": _ONE, "a/b": _ONE}),
    "tensors NaN": _tensors("NaN", {"a": np.full(3, np.nan, np.float32)}),
    "tensors too large": _tensors("beyond float32", {"a": np.full(3, 1e300)}),
    "card method": _card("a method that is a list", method=[]),
    "card no settings": _card("no configuration", config=None),
    "card shapes": _card("a number of shapes", shapes=5),
    "card shapes of text": _card("shapes of text", shapes=["8", "8", "8"]),
    "card shapes of no size": _card("shapes of no size", shapes=[[0, 8, 8]]),
    "card training": _card("a training that is a list", training=["self_supervised"]),
    "card deep": _card("a configuration of 900 brackets", versions={"a": json.loads("[" * 900 + "]" * 900)}),
    "card data": _card("data that are a number", data=5),
    "card long": _card("2 MB of a command", command="a" * 2**21),
    "card step": _card("a step that is no count", step=True),
    "card validation": _card("scores that are text", validation={"ssim": "1"}),
    "card pools": _card("a million pools", config={"channels": 1, "pools": 10**6}),
    "card channels": _card("channels without number", config={"channels": 10**40, "pools": 1}),
    "card half a pool": _card("half a pool", config={"channels": 1, "pools": 0.5}),
    "card layers": _card(
        "200 000 layers", method="irim", config={"hidden": [1] * 200_000, "strides": [1] * 200_000, "most_coils": 1}
    ),
    "card other network": _card("another network than the tensors'", config={"channels": 2, "pools": 1}),
    "weights a pipe": Hostile("weights", "a pipe", ".pt", place=pipe),
    "weights a device": Hostile("weights", "/dev/zero", ".pt", place=device),
}
