"""The fastMRI reader against files written here, including hostile files, and against measured data."""

import os

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep.cases import InputError
from data_prep.fastmri import list_slices, read_slice
from jaxcs.fourier import ifft2c, image_crop
from tests.helpers.asserts import complex_normal, refused, relative_error
from tests.helpers.places import MEASURED

RSS, XML = "reconstruction_rss", "ismrmrd_header"
HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
  <encodedSpace><matrixSize><x>32</x><y>24</y><z>1</z></matrixSize></encodedSpace>
  <reconSpace><matrixSize><x>16</x><y>14</y><z>1</z></matrixSize></reconSpace>
  <encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>18</maximum><center>9</center>
  </kspace_encoding_step_1></encodingLimits></encoding></ismrmrdHeader>"""


cases = lambda path, limit=None: (read_slice(info) for info in list_slices(path)[:limit])  # noqa: E731


def random_kspace(shape=(3, 2, 32, 24), scale=1e-5):
    return np.asarray(complex_normal(np.random.default_rng(7), shape)) * np.float32(scale)


def root_sum_of_squares(kspace, crop):
    images = np.asarray(ifft2c(jnp.asarray(kspace)), np.complex128)
    return np.asarray(image_crop(np.sqrt(np.sum(np.abs(images) ** 2, axis=-3)), crop), np.float32)


def write(path, attributes=None, **datasets):
    """Write an HDF5 file with these attributes and datasets, except for those that are None."""
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes or {})
        file.update({name: values for name, values in datasets.items() if values is not None})
    return path


def write_knee(path, attributes=None, **datasets):
    """Write a small file of fastMRI's layout; `datasets` replaces some of its datasets, or drops them by None."""
    kspace = random_kspace()
    target = root_sum_of_squares(kspace, (16, 16))
    attributes = {"max": float(target.max())} | (attributes or {})
    return write(path, attributes, **{"kspace": kspace, "reconstruction_rss": target} | datasets)


def test_a_knee_file_comes_back(tmp_path):
    kspace = random_kspace()
    kspace[..., :3], kspace[..., 22:] = 0, 0
    target = root_sum_of_squares(kspace, (16, 16))
    attributes = {"max": 2.0, "norm": 1.0, "acquisition": "CORPD_FBK", "padding_left": 3, "padding_right": 22}
    path = write(tmp_path / "file1000769.h5", attributes, kspace=kspace, reconstruction_rss=target)
    read = list(cases(path))
    assert [case.name for case in read] == [f"file1000769.h5:{index}" for index in range(3)]
    for index, case in enumerate(read):
        assert (case.volume, case.data_range, case.padding) == ("file1000769.h5", 2.0, (3, 22))
        assert (case.kspace.dtype, case.target.dtype) == (np.complex64, np.float32)
        np.testing.assert_array_equal(case.kspace, kspace[index])
        np.testing.assert_array_equal(case.target, target[index])
        assert (case.mask, case.maps) == (None, None)
    for info, case in zip(list_slices(path), read, strict=True):
        assert (info.name, info.volume, info.path, info.shape) == (case.name, case.volume, path, case.kspace.shape)
    assert [info.slice_index for info in list_slices(path)] == [0, 1, 2]


def test_a_brain_file_with_header_and_maps_comes_back(tmp_path):
    maps = random_kspace(scale=1)
    path = write_knee(tmp_path / "brain.h5", ismrmrd_header=HEADER, maps=maps)
    for index, case in enumerate(cases(path)):
        # The encoded centre is 24 // 2; the measured lines are 0 to 18 with their centre at 9.
        assert case.padding == (3, 22)
        np.testing.assert_array_equal(case.maps, maps[index])
        assert case.target.shape == (16, 16)


@pytest.mark.parametrize(("attributes", "padding"), [({"left": 1, "right": 20}, (1, 20)), ({"left": 1}, (1, 24))])
def test_the_attributes_win_over_the_header(tmp_path, attributes, padding):
    attributes = {f"padding_{side}": column for side, column in attributes.items()}
    path = write_knee(tmp_path / "a.h5", attributes, ismrmrd_header=HEADER)
    assert next(cases(path)).padding == padding


@pytest.mark.parametrize(
    ("old", "new", "padding"),
    [
        ("<maximum>18</maximum>", "<maximum>40</maximum>", (3, 24)),
        ("<center>9</center>", "<center>15</center>", (0, 16)),
        ("<center>9</center>", "", (0, 24)),
        ("<y>24</y>", "<y>30</y>", (0, 24)),
        ("utf-8", "utf-16", (3, 22)),
        (' xmlns="http://www.ismrm.org/ISMRMRD"', "", (3, 22)),
    ],
)
def test_padding_follows_the_header_within_the_columns(tmp_path, old, new, padding):
    assert old in HEADER
    path = write_knee(tmp_path / "a.h5", ismrmrd_header=HEADER.replace(old, new))
    assert next(cases(path)).padding == padding


@pytest.mark.parametrize("store", [np.bytes_, str, lambda text: np.array([text.encode()], dtype="S2000")])
@pytest.mark.parametrize("userblock_size", [0, 1024])
def test_the_header_may_be_stored_as_any_kind_of_string(tmp_path, store, userblock_size):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=userblock_size) as file:
        file["kspace"], file["before"], file["ismrmrd_header"] = random_kspace(), "odd", store(HEADER)
    assert next(cases(tmp_path / "a.h5")).padding == (3, 22)


def test_a_header_in_a_damaged_heap_is_read_or_refused_and_never_trusted(tmp_path):
    path = write_knee(tmp_path / "a.h5", ismrmrd_header=HEADER)
    content = path.read_bytes()
    heap, (length, padded) = content.index(b"GCOL"), (len(HEADER), -(-len(HEADER) // 8) * 8)
    with h5py.File(path) as file:
        entry = file["ismrmrd_header"].id.get_offset()
    free = heap + 16 + 16 + padded  # the free object behind the header gets length 0: HDF5 2.0 loops on it for ever
    path.write_bytes(content[: free + 8] + bytes(8) + content[free + 16 :])
    assert next(cases(path)).padding == (3, 22)
    for place, value, words in [
        (entry, 2**31, "'ismrmrd_header' has 2147483648 bytes"),
        (entry, length + 9, "'ismrmrd_header' is damaged"),
        (entry + 12, 9, "'ismrmrd_header' is damaged"),
        (heap, 0, "'ismrmrd_header' is damaged"),
    ]:
        path.write_bytes(content[:place] + value.to_bytes(4, "little") + content[place + 4 :])
        refused(list_slices, path, words)


def test_a_single_coil_file_gets_one_coil_and_its_own_target(tmp_path):
    kspace = random_kspace((2, 32, 24))
    target = root_sum_of_squares(kspace[:, None], (16, 16))
    content = {"kspace": kspace, "maps": kspace, "reconstruction_esc": target, "reconstruction_rss": 3 * target}
    path = write(tmp_path / "a.h5", **content)
    for index, case in enumerate(cases(path)):
        np.testing.assert_array_equal(case.kspace, kspace[index][None])
        np.testing.assert_array_equal(case.maps, kspace[index][None])
        np.testing.assert_array_equal(case.target, target[index])
        assert case.data_range == float(target.max())
    assert [info.shape for info in list_slices(path)] == [(1, 32, 24)] * 2


def test_a_test_file_with_its_truth_keeps_its_mask_and_only_what_it_samples(tmp_path):
    kspace = random_kspace()
    mask = np.arange(24) % 3 == 0
    for name, stored in (("bool", mask), ("float", mask.astype(np.float32))):
        case = next(cases(write_knee(tmp_path / f"{name}.h5", mask=stored)))
        assert case.mask.dtype == bool
        np.testing.assert_array_equal(case.mask, mask)
        np.testing.assert_array_equal(case.kspace, kspace[0] * mask)


@pytest.mark.parametrize(("header", "crop"), [(None, (32, 24)), (HEADER, (16, 14))])
@pytest.mark.parametrize("scale", [1e-5, 1e-25, 1e25])
def test_a_missing_target_is_computed_at_any_scale(tmp_path, header, crop, scale):
    kspace = random_kspace(scale=scale)
    read = list(cases(write(tmp_path / "a.h5", kspace=kspace, ismrmrd_header=header)))
    expected = root_sum_of_squares(random_kspace(), crop).astype(float) * (scale / 1e-5)
    assert relative_error([case.target.astype(float) for case in read], expected) < 1e-6
    assert {case.data_range for case in read} == {max(float(case.target.max()) for case in read)}


@pytest.mark.parametrize("shape", [(1, 3, 9, 7), (1, 3, 8, 7), (1, 3, 9, 6)])
def test_the_computed_target_is_centred_for_odd_sizes(tmp_path, shape):
    case = next(cases(write(tmp_path / "a.h5", kspace=random_kspace(shape))))
    assert relative_error(case.target, root_sum_of_squares(random_kspace(shape)[0], shape[-2:])) < 1e-6


def test_a_target_wider_than_the_kspace_is_cut_to_it(tmp_path):
    target = np.abs(random_kspace((3, 20, 30)))
    case = next(cases(write_knee(tmp_path / "flair.h5", reconstruction_rss=target)))
    np.testing.assert_array_equal(case.target, target[0, :, 3:27])


def test_other_number_types_and_filters_are_read(tmp_path):
    kspace = random_kspace()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("kspace", data=kspace.astype(">c16"), compression="gzip", shuffle=True)
        file.create_dataset("reconstruction_rss", data=np.ones((3, 9, 9)), compression="lzf", fletcher32=True)
    case = next(cases(tmp_path / "a.h5"))
    assert (case.kspace.dtype, case.target.dtype) == (np.complex64, np.float32)
    np.testing.assert_array_equal(case.kspace, kspace[0])


def test_a_folder_is_read_in_the_order_of_its_names_without_hidden_files(tmp_path):
    for name in ("b.h5", "a.h5"):
        write_knee(tmp_path / name)
    (tmp_path / "._a.h5").write_text("left by a file manager")
    (tmp_path / "notes.txt").write_text("not data")
    names = [f"{name}:{index}" for name in ("a.h5", "b.h5") for index in range(3)]
    assert [case.name for case in cases(tmp_path)] == names
    assert [info.name for info in list_slices(str(tmp_path))] == names


def test_a_bad_file_in_a_folder_is_named(tmp_path):
    write_knee(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_text("not HDF5")
    refused(lambda path: list_slices(path.parent), tmp_path / "b.h5", "not an HDF5 file")


@pytest.mark.parametrize("read", [list_slices, cases])
def test_paths_that_are_no_hdf5_files_are_refused(tmp_path, read):
    refused(read, tmp_path / "missing.h5", "No such file", "check the path")
    refused(read, tmp_path, "no .h5 file in this folder")
    (tmp_path / "text.h5").write_text("notes")
    refused(read, tmp_path / "text.h5", "not an HDF5 file", "downloaded whole")
    (tmp_path / "empty.h5").touch()
    refused(read, tmp_path / "empty.h5", "not an HDF5 file")
    os.mkfifo(tmp_path / "pipe.h5")
    refused(read, tmp_path / "pipe.h5", "not a regular file")
    (tmp_path / "two\nlines.h5").write_text("text")
    with pytest.raises(InputError, match=r"two\?lines\.h5: not an HDF5 file: [^\n]*$"):
        list(read(tmp_path / "two\nlines.h5"))
    with pytest.raises(InputError, match="not a usable path"):
        list(read("null\0character.h5"))


@pytest.mark.parametrize("kept", [20, 200, 1000, 5000, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    content = write_knee(tmp_path / "whole.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:kept])
    refused(list_slices, tmp_path / "cut.h5", "damaged, cut short or still being written", "download it again")


def test_damaged_values_are_refused_with_their_slice(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        chunks = (1, 2, 32, 24)
        dataset = file.create_dataset("kspace", data=random_kspace(), chunks=chunks, fletcher32=True)
        offset = dataset.id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    refused(cases, path, "'kspace' of slice 1 cannot be read", "damaged")


def stored(data=None, name="kspace", **options):
    return lambda file: file.create_dataset(name, data=data, **options)


def declared(shape, chunks=None, **options):
    """A k-space that is declared and never written."""
    return stored(shape=shape, dtype=np.complex64, chunks=chunks, **options)


def linked(**links):
    return lambda file: file.update(links)


def attributes(**values):
    return lambda file: file.attrs.update(values)


def filtered_twice(file):
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((1, 1, 8, 8))
    creation.set_deflate(9)
    declared((1, 1, 8, 8), (1, 1, 8, 8), compression="gzip", dcpl=creation)(file)


def virtual(file):
    layout = h5py.VirtualLayout((3, 2, 32, 24), np.complex64)
    layout[:] = h5py.VirtualSource("other.h5", "kspace", (3, 2, 32, 24))
    file.create_virtual_dataset("kspace", layout)


LAYOUTS = {
    "no kspace": (lambda file: None, "no dataset 'kspace'", "fastMRI's layout"),
    "two axes": (stored(random_kspace((8, 8))), "'kspace' has 2 axes", "3 or 4"),
    "six axes": (stored(random_kspace((1, 1, 1, 1, 8, 8))), "'kspace' has 6 axes"),
    "no space": (stored(h5py.Empty(np.complex64)), "'kspace' has 0 axes"),
    "real": (stored(np.ones((1, 1, 8, 8), np.float32)), "has type float32", "store complex numbers"),
    "variable length": (stored(shape=(1, 1, 8, 8), dtype=h5py.vlen_dtype(np.complex64)), "has type object"),
    "compound": (stored(shape=(1, 1, 8, 8), dtype=[("re", "f4"), ("im", "f4")]), "has type [("),
    "no slice": (stored(random_kspace((0, 2, 8, 8))), "'kspace' is empty", "(0, 2, 8, 8)"),
    "long axis": (stored(random_kspace((1, 1, 1, 4097))), "(1, 1, 1, 4097)", "at most 4096"),
    "8 GiB": (declared((64, 32, 2048, 1024), (1, 1, 64, 64)), "34359738368 bytes: keep it to at most 8589934592"),
    "never written": (declared((1, 4, 64, 64), (1, 1, 64, 64)), "declares 131072 bytes", "cannot hold"),
    "expansion": (declared((32, 512, 512), (1, 512, 512), compression="gzip"), "declares 67108864", "cannot hold"),
    "huge chunk": (declared((1, 8, 8), (1, 4096, 4096), maxshape=(1, None, None), compression="gzip"), "134217728"),
    "external storage": (declared((1, 1, 8, 8), external=[("other.h5", 0, 512)]), "values in other files"),
    "virtual": (virtual, "values in other files"),
    "soft link": (linked(real=random_kspace(), kspace=h5py.SoftLink("/real")), "soft or external link"),
    "external link": (linked(kspace=h5py.ExternalLink("other.h5", "/kspace")), "soft or external link"),
    "group": (lambda file: file.create_group("kspace/kspace"), "'kspace' is not a dataset"),
    "cycle": (lambda file: file.update(kspace=file["/"]), "'kspace' is not a dataset"),
    "filtered twice": (filtered_twice, "filters gzip (1), gzip (1)", "use none, or gzip, or lzf"),
}
ADDITIONS = {
    "unknown filter": (
        stored(np.ones((3, 16, 16), "f4"), RSS, scaleoffset=3),
        "_rss' is stored with the filter scale-offset (6)",
        "h5repack -f GZIP=4",
    ),
    "target slices": (stored(np.ones((2, 16, 16)), RSS), "has 2 slices, 'kspace' 3"),
    "target type": (stored(random_kspace((3, 16, 16)), RSS), "complex64: store real"),
    "target link": (linked(reconstruction_rss=h5py.ExternalLink("b.h5", "/x")), "_rss' is a soft or external link"),
    "test file": (stored(np.ones(24, bool), "mask"), "already under-sampled", "without the ground truth"),
    "mask width": (stored(np.ones(23, bool), "mask"), "'mask' does not say", "24 columns"),
    "mask values": (stored(np.full(24, 0.5), "mask"), "'mask' does not say 0 or 1"),
    "mask of nothing": (stored(np.zeros(24), "mask"), "at least one 1"),
    "maps shape": (stored(random_kspace((3, 1, 32, 24)), "maps"), "'maps' has shape (3, 1, 32, 24)"),
    "maps type": (stored(np.ones((3, 2, 32, 24)), "maps"), "'maps' has type float64"),
    "max NaN": (attributes(max=np.nan), "'max' is not one finite number"),
    "max text": (attributes(max="1"), "'max' is not one finite number"),
    "max list": (attributes(max=[1.0, 2.0]), "'max' is not one finite number"),
    "max zero": (attributes(max=0.0), "attribute 'max' is 0.0"),
    "padding wide": (attributes(padding_right=25), "padding_right 25", "within 24 columns"),
    "padding crossed": (attributes(padding_left=9, padding_right=9), "not a range"),
    "padding below": (attributes(padding_left=-1), "padding_left -1"),
    "padding half": (attributes(padding_left=1.5), "padding_left 1.5"),
    "header of bytes": (stored(np.zeros(9, np.uint8), XML), "'ismrmrd_header' is not one string"),
    "header twice": (stored(["<a/>", "<a/>"], XML), "'ismrmrd_header' is not one string"),
    "header in chunks": (stored(["<a/>"], XML, chunks=(1,)), "not stored contiguously"),
    "header link": (linked(ismrmrd_header=h5py.SoftLink("/x")), "'ismrmrd_header' is a soft"),
    "header no XML": (stored("<a>", XML), "is not an XML text"),
    "header unmarked UTF-16": (stored(np.bytes_(HEADER.encode("utf-16-le")), XML), "is not an XML text"),
    "header UTF-16 entity": (
        stored(np.bytes_(HEADER.replace("?>", "?><!ENTITY b 'bbbb'>", 1).encode("utf-16")), XML),
        "declares XML entities",
    ),
    "header no number": (stored(HEADER.replace("<y>24<", "<y>many<"), XML), "'many' at 'encodedSpace/matrixSize/y'"),
    "header type": (stored("<!DOCTYPE a SYSTEM 'a.dtd'><a/>", XML), "declares XML entities"),
    "header entity": (stored(HEADER.replace("?>", "?><!ENTITY b 'bbbb'>", 1), XML), "declares XML entities"),
    "header long": (stored("<a>" + " " * 2**20 + "</a>", XML), "'ismrmrd_header' has 1048583 bytes"),
    "header long fixed": (stored(np.bytes_(b"a" * (2**20 + 1)), XML), "'ismrmrd_header' has 1048577 bytes"),
    "header deep": (stored("<a>" * 300_000, XML), "is not an XML text"),
    "header image": (stored(HEADER.replace("<x>16<", "<x>0<"), XML), "gives the image size (0, 14)"),
    "header limits": (stored(HEADER.replace(">18<", ">-5<"), XML), "centre 9 and maximum -5", "leave no column"),
}


@pytest.mark.parametrize("name", [*LAYOUTS, *ADDITIONS])
@pytest.mark.parametrize("read", [list_slices, cases])
def test_a_layout_that_cannot_be_used_is_refused(tmp_path, read, name):
    change, *words = (LAYOUTS | ADDITIONS)[name]
    # The linked file exists and is sound: links are refused as such.
    write_knee(tmp_path / "other.h5")
    path = write(tmp_path / "a.h5", kspace=random_kspace() if name in ADDITIONS else None)
    with h5py.File(path, "a") as file:
        change(file)
    refused(read, path, *words)


def kspace_with(index, value, dtype=np.complex64, shape=(3, 2, 32, 24)):
    values = np.ones(shape, dtype)
    values[index] = value
    return values


def target_with(index, value):
    return kspace_with(index, value, np.float64, (3, 16, 16))


VALUES = {
    "NaN": ({"kspace": kspace_with((2, 1, 0, 0), np.nan)}, "'kspace' of slice 2 holds NaN"),
    "infinity": ({"kspace": kspace_with((2, 0), 1j * np.inf)}, "'kspace' of slice 2 holds NaN, infinity"),
    "too large": ({"kspace": kspace_with((2, 1, 0, 0), 1e300, np.complex128)}, "slice 2", "large for complex64"),
    "zero": ({"kspace": kspace_with(2, 0)}, "'kspace' of slice 2 is all zero"),
    "zero where sampled": ({"mask": np.eye(24)[0], "kspace": kspace_with((2, ..., 0), 0)}, "slice 2 is all zero"),
    "maps": ({"maps": kspace_with((2, 1, 0, 0), np.nan)}, "'maps' of slice 2 holds NaN"),
    "target NaN": ({"reconstruction_rss": target_with((2, 0, 0), np.nan)}, "the target of slice 2", "NaN"),
    "target too large": ({"reconstruction_rss": target_with((2, 0, 0), 1e39)}, "the target of slice 2", "infinite"),
    "target negative": ({"reconstruction_rss": target_with((2, 0, 0), -1)}, "the target of slice 2", "negative"),
    "computed too large": ({"kspace": kspace_with(2, 3e38), "reconstruction_rss": None}, "the target of slice 2"),
    "target zero": ({"reconstruction_rss": target_with(2, 0)}, "the target of slice 2", "all zero"),
}


@pytest.mark.parametrize("name", VALUES)
def test_bad_values_are_refused_with_their_slice(tmp_path, name):
    datasets, *words = VALUES[name]
    path = write_knee(tmp_path / "a.h5", **datasets)
    assert [case.name for case in cases(path, limit=2)] == [info.name for info in list_slices(path)][:2]
    refused(cases, path, *words)


@pytest.mark.skipif(not MEASURED.is_dir(), reason="the measured multi-coil files are not beside the repository")
@pytest.mark.parametrize(
    ("name", "slices", "shape"),
    [("vfa_13coil", 5, (13, 224, 224)), ("t1_7coil", 1, (7, 256, 216)), ("mprage_4coil", 1, (4, 256, 256))],
)
def test_measured_files_agree_with_themselves(name, slices, shape):
    path = MEASURED / f"brain_{name}.h5"
    assert [info.shape for info in list_slices(path)] == [shape] * slices
    with h5py.File(path) as file:
        maximum = file.attrs["max"]
    read = list(cases(path))
    assert [case.kspace.shape for case in read] == [shape] * slices
    for case in read:
        computed = root_sum_of_squares(case.kspace / maximum, case.target.shape)
        assert relative_error(case.target / maximum, computed) < 1e-3
        assert (case.data_range, case.padding) == (maximum, (0, shape[-1]))
    assert max(float(case.target.max()) for case in read) == pytest.approx(maximum, rel=1e-6)
