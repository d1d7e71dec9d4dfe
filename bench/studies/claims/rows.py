"""The table of claims: a row for each claim, with the numbers of all records that bear on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.findings.judged import Judged
from bench.findings.markdown import table
from bench.findings.published import CLAIMS
from bench.plan.intervals import as_json
from bench.studies.claims.evidence import Evidence

_HEADER = ("published", "here", "agrees", "command")


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        judged: the claim, judged by all its records together.
        evidence: these records.
    """

    judged: Judged
    evidence: Sequence[Evidence]


def rows_of(found: Sequence[Evidence]) -> list[Row]:
    """Make a row for each claim that the records bear on, in the order of the table."""
    rows = []
    for claim in CLAIMS:
        pairs = [(one, judged) for one in found for judged in one.judged if judged.claim is claim]
        if pairs:
            names = Counter(part.name for _, judged in pairs for part in judged.parts)
            parts = [
                part if names[part.name] == 1 else part._replace(name=f"{part.name} in {one.paths[0]}")
                for one, judged in pairs
                for part in judged.parts
            ]
            whole = Judged(claim, parts, min(judged.images for _, judged in pairs))
            rows.append(Row(whole, [one for one, _ in pairs]))
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """Format the table as Markdown."""
    return table(_HEADER, [(_published(row), _here(row), _agrees(row), _commands(row)) for row in rows])


def objects(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as values that JSON can hold."""
    return [
        {
            "claim": row.judged.claim.name,
            "published": row.judged.claim.words,
            "source": row.judged.claim.source,
            "number": row.judged.claim.number,
            "images": row.judged.images,
            "parts": [
                {"name": part.name, "value": part.value, "interval": as_json(part.interval), "more": part.more}
                | {"published": row.judged.expected(part), "agrees": row.judged.word(part)}
                for part in row.judged.parts
            ],
            "agrees": row.judged.verdict,
            "records": [str(path) for one in row.evidence for path in one.paths],
            "commands": [command for one in row.evidence for command in one.commands],
        }
        for row in rows
    ]


def _published(row: Row) -> str:
    words = row.judged.claim.words
    return f"{words[0].upper()}{words[1:]} ({row.judged.claim.source})"


def _here(row: Row) -> str:
    judged = row.judged
    each = [
        f"{part.name} {number}" + (f" ({part.more})" if part.more else "")
        for part, number in zip(judged.parts, judged.numbers, strict=True)
    ]
    images = "one image, which is no finding" if judged.images == 1 else f"{judged.images} images"
    return f"{images}; {judged.claim.number}: {'; '.join(each)}"


def _agrees(row: Row) -> str:
    by_word = row.judged.by_word
    each = "; ".join(f"{word} for {', '.join(names)}" for word, names in by_word.items())
    return row.judged.verdict if len(by_word) == 1 else f"{row.judged.verdict}: {each}"


def _commands(row: Row) -> str:
    found = []
    for one in row.evidence:
        others = len(one.commands) - 1
        more = f" and {others} like it, of other images" if others else ""
        found.append(f"{_code(one.commands[0])}{more}")
    return "; ".join(found)


def _code(command: str) -> str:
    return f"`` {command} ``" if "`" in command else f"`{command}`"
