"""Count the device operations of an optimised HLO module of an H100, and the bytes that they read and write.

A loop counts as often as it turns.  A loop whose number of turns is not in the module counts once, so the numbers of a
solver are those of one iteration and of what stands around it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

_BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
_BYTES |= {"s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16}
# These start no kernel.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "bitcast-convert", "opt-barrier"}
_FREE |= {"after-all", "add-dependency", "partition-id", "replica-id"}
_PARTS = ("dynamic-slice", "slice", "gather")


class Instruction(NamedTuple):
    """An instruction: its name, the type of its result, its operation, the names of its arguments, and all else."""

    name: str
    shape: str
    operation: str
    arguments: list[str]
    attributes: str
    root: bool
    text: str


class Loop(NamedTuple):
    """A loop: how deep it is nested, its turns (None if unknown), and the kernels and bytes of one turn."""

    depth: int
    turns: int | None
    kernels: int
    bytes: int


@dataclass
class Counts:
    """Kernels, bytes, loops, and kernels and bytes by kind of operation."""

    kernels: int = 0
    bytes: int = 0
    loops: list[Loop] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    bytes_by_kind: Counter[str] = field(default_factory=Counter)


def count(text: str) -> Counts:
    """Count an optimised HLO module."""
    computations, entry = _parsed(text)
    counts = Counts()
    _walk(computations, entry, 1, 0, counts)
    return counts


def _walk(computations: dict[str, list[Instruction]], name: str, times: int, depth: int, counts: Counts) -> None:
    body = computations[name]
    shapes = {one.name: one.shape for one in body}
    for one in body:
        if one.operation in _FREE:
            continue
        if one.operation == "while":
            known = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', one.attributes)
            turns = int(known.group(1)) if known else None
            before = counts.kernels, counts.bytes
            place = len(counts.loops)
            within = times * (1 if turns is None else turns)
            _walk(computations, _called("body", one), within, depth + 1, counts)
            per_turn = [
                (now - then) // max(within, 1) for now, then in zip((counts.kernels, counts.bytes), before, strict=True)
            ]
            counts.loops.insert(place, Loop(depth, turns, *per_turn))
        elif one.operation == "conditional":
            branches = re.search(r"branch_computations=\{([^}]*)\}", one.attributes)
            names = re.findall(r"%([\w.\-]+)", branches.group(1)) if branches else [_called("true_computation", one)]
            _walk(computations, names[-1], times, depth, counts)
        elif one.operation in ("call", "async-start") and _called("(?:to_apply|calls)", one) in computations:
            _walk(computations, _called("(?:to_apply|calls)", one), times, depth, counts)
        else:
            kind, kernels, moved = _kernel(computations, one, shapes)
            counts.kinds[kind] += times * kernels
            counts.bytes_by_kind[kind] += times * moved
            counts.kernels += times * kernels
            counts.bytes += times * moved


def _kernel(
    computations: dict[str, list[Instruction]], one: Instruction, shapes: dict[str, str]
) -> tuple[str, int, int]:
    """Kind, number of kernels and bytes of an instruction."""
    if one.operation == "fft":
        kind = re.search(r"fft_type=(\w+)", one.attributes)
        length = re.search(r"fft_length=\{([\d,]+)\}", one.attributes)
        assert kind is not None
        assert length is not None
        # XLA's inverse is cuFFT's inverse and then a scaling of the whole array.
        passes = 2 if kind.group(1) == "IFFT" else 1
        return f"{kind.group(1)} {length.group(1)}", passes, 2 * _size(one.shape) * passes
    if one.operation == "fusion":
        called = computations.get(_called("calls", one), [])
        kind = re.search(r"kind=(\w+)", one.attributes)
        return f"fusion {kind.group(1) if kind else ''}", 1, _fusion_bytes(called, one, shapes)
    moved = sum(_size(shapes.get(name, "")) for name in one.arguments)
    if one.operation == "custom-call":
        target = re.search(r'custom_call_target="([^"]+)"', one.attributes)
        # Bytes without a type are a library's workspace.
        result = re.sub(r"\b[su]8\[\d+\]", "", one.shape) if one.shape.startswith("(") else one.shape
        return target.group(1) if target else "custom-call", 1, moved + _size(result)
    return one.operation, 1, moved + _size(one.shape)


def _fusion_bytes(body: list[Instruction], fusion: Instruction, shapes: dict[str, str]) -> int:
    """A fusion that takes parts of an argument reads only these; what it updates in place it does not read."""
    uses: dict[str, list[Instruction]] = defaultdict(list)
    for one in body:
        for name in one.arguments:
            uses[name].append(one)
    root = next((one for one in body if one.root), None)
    updates = root is not None and root.operation == "dynamic-update-slice"
    total = 0
    for one in body:
        if one.operation != "parameter":
            continue
        number = int(re.findall(r"parameter\((\d+)\)", one.text)[0])
        whole = _size(shapes.get(fusion.arguments[number], "")) if number < len(fusion.arguments) else 0
        using = uses[one.name]
        if using and all(use.operation in _PARTS for use in using):
            total += min(whole, sum(_size(use.shape) for use in using))
        elif not (
            using and all(use.operation == "dynamic-update-slice" and use.arguments[0] == one.name for use in using)
        ):
            total += whole
    if updates and root is not None:
        update = next((one for one in body if one.name == root.arguments[1]), None)
        return total + _size(update.shape if update else fusion.shape)
    return total + _size(fusion.shape)


def _called(attribute: str, one: Instruction) -> str:
    found = re.search(rf"{attribute}=%([\w.\-]+)", one.attributes)
    return found.group(1) if found else ""


def _size(shape: str) -> int:
    total = 0
    for kind, sides in re.findall(r"\b([a-z]+\d*)\[([\d,<=]*)\]", shape):
        entries = 1
        for side in sides.split(","):
            if side.strip("<= "):
                entries *= int(side.strip("<= "))
        total += entries * _BYTES.get(kind, 0)
    return total


def _parsed(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The computations by name, and the name of the entry."""
    computations: dict[str, list[Instruction]] = {}
    body: list[Instruction] | None = None
    entry = ""
    for line in text.splitlines():
        begin = re.match(r"^(ENTRY )?%([\w.\-]+) \(.*\) -> .* \{$", line)
        if begin:
            body = computations.setdefault(begin.group(2), [])
            entry = begin.group(2) if begin.group(1) else entry
        elif line.startswith("}"):
            body = None
        elif body is not None:
            found = re.match(r"^\s+(ROOT )?%([\w.\-]+) = (.*)$", line)
            one = _instruction(found.group(2), found.group(3), bool(found.group(1))) if found else None
            if one is not None:
                body.append(one)
    return computations, entry


def _instruction(name: str, text: str, root: bool) -> Instruction | None:
    # "type operation(arguments), attributes"; the type of several results is in parentheses.
    shape, rest = _in_parentheses(text) if text.startswith("(") else text.split(" ", 1)
    found = re.match(r"\s*([\w\-]+)(?=\()", rest)
    if found is None:
        return None
    arguments, attributes = _in_parentheses(rest[found.end() :])
    return Instruction(name, shape, found.group(1), re.findall(r"%([\w.\-]+)", arguments), attributes, root, text)


def _in_parentheses(text: str) -> tuple[str, str]:
    """The text from the first parenthesis to its end, and the rest."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[: place + 1], text[place + 1 :]
    return text, ""
