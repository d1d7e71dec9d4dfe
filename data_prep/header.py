"""Parse the XML header of ISMRMRD, which fastMRI's files also hold, so that an untrusted text does no harm.

https://ismrmrd.readthedocs.io, Inati et al., MRM 77:411, 2017.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from data_prep.safe_hdf5 import LARGEST_TEXT, refusal
from data_prep.text import decoded
from jaxcs.names import printable

_LONGEST_WORDS = 200  # characters of a name that is passed on


class Header:
    """An element of a header with its contents; places in it are written as "encodedSpace/matrixSize/x"."""

    def __init__(self, path: str | Path, name: str, element: ElementTree.Element) -> None:
        """Keep the element; `path` and `name` (the file and its dataset) are named in errors."""
        self._path, self._name, self._element = path, name, element

    def find(self, place: str) -> Header | None:
        """Find the first element at a place, or None if the place is empty."""
        found = self._element.find(_expanded(place))
        return None if found is None else Header(self._path, self._name, found)

    def number(self, place: str) -> int | None:
        """Read the whole number at a place, or None if the place is empty.

        Args:
            place: path of the element, such as "encodedSpace/matrixSize/x".

        Raises:
            InputError: If the text is not a whole number.
        """
        text = self._element.findtext(_expanded(place))
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            problem = f"'{self._name}' has {text[:_LONGEST_WORDS]!r} at '{place}', where whole numbers belong"
            raise refusal(self._path, problem, f"correct or delete '{self._name}'") from error

    def words(self, place: str) -> str | None:
        """Read the text at a place as one printable line of at most 200 characters, or None if the place is empty."""
        text = (self._element.findtext(_expanded(place)) or "").strip()
        return printable(text[:_LONGEST_WORDS]) or None


def parse(path: str | Path, name: str, text: bytes) -> Header:
    """Parse a header.

    Entities cannot be declared, so a short text cannot expand into a long one.  The encoding is determined by
    `data_prep.text`, and the encoding that the text declares is ignored.

    Args:
        path: file of the header, for errors.
        name: dataset of the header, for errors.
        text: bytes of the header.

    Returns:
        The root element.

    Raises:
        InputError: If the text declares entities, has more than LARGEST_TEXT bytes, or is not XML.
    """
    remedy = f"correct or delete '{name}'"
    if len(text) > LARGEST_TEXT:
        raise refusal(path, f"'{name}' has {len(text)} bytes", f"store at most {LARGEST_TEXT}")
    try:
        # A str makes the parser ignore the declared encoding, which could hide the declarations that are searched for
        # here.
        xml = decoded(text)
        if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
            raise refusal(path, f"'{name}' declares XML entities or a document type", remedy)
        return Header(path, name, ElementTree.fromstring(xml))
    except ElementTree.ParseError as error:
        raise refusal(path, f"'{name}' is not an XML text ({error})", remedy) from error


def _expanded(place: str) -> str:
    """The place in ElementTree's syntax, in any namespace."""
    return "/".join("{*}" + tag for tag in place.split("/"))
