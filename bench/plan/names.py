"""Names of images where they must be bytes or one line.

A file may be called by any bytes.  Python holds those that are no UTF-8 as lone surrogates, which JSON keeps, but
neither an archive nor a list can hold.
"""

from __future__ import annotations

# What the name of such an array begins with in an archive; no name of a file has a slash.
_ESCAPED = "escaped/"
_END = ".npy"
_BLANK = r"\x20"


def member_of(key: str) -> str:
    """The name of an array in an archive."""
    try:
        key.encode()
    except UnicodeEncodeError:
        key = _ESCAPED + _escaped(key)
    return key + _END


def key_of(member: str) -> str:
    """The name of the array that `member_of` named so.  Raises ValueError where it named none."""
    key = member.removesuffix(_END)
    if key.startswith(_ESCAPED):
        return key.removeprefix(_ESCAPED).encode("ascii").decode("unicode_escape")
    return key


def in_list(name: str) -> str:
    """A name as a list has it: in one line, without blanks at its ends, and in Unicode."""
    if name.isprintable() and name == name.strip():
        return name
    inner = name.strip(" ")
    before, _, after = name.partition(inner)
    return _BLANK * len(before) + _escaped(inner) + _BLANK * len(after)


def _escaped(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii")
