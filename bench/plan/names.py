"""Names of images as bytes or as one line.

A file name may be any bytes.  Python holds bytes that are not UTF-8 as lone surrogates.  JSON keeps these, but neither
an archive nor a list can hold them.
"""

from __future__ import annotations

# Prefix of such a name in an archive; no file name has a slash.
_ESCAPED = "escaped/"
_END = ".npy"
_BLANK = r"\x20"


def member_of(key: str) -> str:
    """Return the name of an array in an archive."""
    try:
        key.encode()
    except UnicodeEncodeError:
        key = _ESCAPED + _escaped(key)
    return key + _END


def key_of(member: str) -> str:
    """Return the name of the array from its name in an archive.

    Raises:
        ValueError: `member_of` did not make this name.
    """
    key = member.removesuffix(_END)
    if key.startswith(_ESCAPED):
        return key.removeprefix(_ESCAPED).encode("ascii").decode("unicode_escape")
    return key


def in_list(name: str) -> str:
    """Return a name as a list holds it: one line of Unicode, without blanks at its ends."""
    if name.isprintable() and name == name.strip():
        return name
    inner = name.strip(" ")
    before, _, after = name.partition(inner)
    return _BLANK * len(before) + _escaped(inner) + _BLANK * len(after)


def _escaped(name: str) -> str:
    return name.encode("unicode_escape").decode("ascii")
