"""Texts of untrusted files, in all usual encodings."""

import numpy as np
import pytest

from data_prep.acquisition import acquisition_of
from tests.data_prep.test_fastmri_reader import HEADER, cases, write_knee


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("declared", ["utf-8", "iso-8859-1", "utf-16"])
def test_the_header_may_have_any_usual_encoding_whatever_it_declares(tmp_path, encoding, declared):
    header = HEADER.replace("utf-8", declared).replace("<encoding>", "<site>Universität</site><encoding>", 1)
    assert "Universität" in header
    path = write_knee(tmp_path / "a.h5", ismrmrd_header=np.bytes_(header.encode(encoding)))
    assert next(cases(path)).padding == (3, 22)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_the_acquisition_may_have_any_usual_encoding(tmp_path, encoding):
    path = write_knee(tmp_path / "a.h5", {"acquisition": np.bytes_("T1 gemäß".encode(encoding))})
    assert acquisition_of(path) == "T1 gemäß"
