"""Drawn knees and brains, scanned by a simulated coil array: data for users without data."""

from data_prep.coil_array import COILS
from data_prep.phantom.scan import SHAPE, boxed, case, case_name, cases

__all__ = ["COILS", "SHAPE", "boxed", "case", "case_name", "cases"]
