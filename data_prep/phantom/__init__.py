"""Drawn knees and brains, scanned by a simulated coil array: data for those who have none at hand."""

from data_prep.phantom.scan import case, cases

__all__ = ["case", "cases"]
