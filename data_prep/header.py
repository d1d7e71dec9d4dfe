"""The XML header of ISMRMRD, which fastMRI's files keep too, parsed so that a stranger's text cannot do harm.

https://ismrmrd.readthedocs.io, Inati et al., MRM 77:411, 2017.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from data_prep.safe_hdf5 import LARGEST_TEXT, printable, refusal
from data_prep.text import decoded

_LONGEST_WORDS = 200  # characters of a name that is passed on


class Header:
    """An element of a header and all within it; places in it are written "encodedSpace/matrixSize/x"."""

    def __init__(self, path: str | Path, name: str, element: ElementTree.Element) -> None:
        """path, name: the file and its dataset, for errors."""
        self._path, self._name, self._element = path, name, element

    def find(self, place: str) -> Header | None:
        """The first element at a place, or None where there is none."""
        found = self._element.find(_expanded(place))
        return None if found is None else Header(self._path, self._name, found)

    def number(self, place: str) -> int | None:
        """The whole number at a place, or None where there is none; InputError where it is something else."""
        text = self._element.findtext(_expanded(place))
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            problem = f"'{self._name}' has {text[:_LONGEST_WORDS]!r} at '{place}', where whole numbers belong"
            raise refusal(self._path, problem, f"correct or delete '{self._name}'") from error

    def words(self, place: str) -> str | None:
        """The text at a place as one printable line, cut where it is long, or None where there is none."""
        text = (self._element.findtext(_expanded(place)) or "").strip()
        return printable(text[:_LONGEST_WORDS]) or None


def parse(path: str | Path, name: str, text: bytes) -> Header:
    """The root element of the header `text`, read from the dataset `name` of the file `path`.

    Entities cannot be declared, so that a short text cannot expand into a long one.  Raises InputError where they
    are, and where it is over LARGEST_TEXT bytes or not XML.  Whatever encoding it declares, it is that of
    `data_prep.text`.
    """
    remedy = f"correct or delete '{name}'"
    if len(text) > LARGEST_TEXT:
        raise refusal(path, f"'{name}' has {len(text)} bytes", f"store at most {LARGEST_TEXT}")
    try:
        # As a str: then the parser ignores the declared encoding, which could hide the declarations looked for here.
        xml = decoded(text)
        if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
            raise refusal(path, f"'{name}' declares XML entities or a document type", remedy)
        return Header(path, name, ElementTree.fromstring(xml))
    except ElementTree.ParseError as error:
        raise refusal(path, f"'{name}' is not an XML text ({error})", remedy) from error


def _expanded(place: str) -> str:
    """The place in ElementTree's words, in any namespace."""
    return "/".join("{*}" + tag for tag in place.split("/"))
