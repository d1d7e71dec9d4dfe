"""Write images as DICOM secondary captures, one file a slice, which say that they are not for diagnosis.

Nothing about a patient is invented: the elements that a secondary capture must have are there and empty.  The images
carry no text.  If their place in the patient is known they have it, in elements that the standard does not list for
secondary captures but allows (PS3.2, Standard Extended SOP Class).  All versions of a volume share a frame of
reference, which is no scanner's.  A stored number times `RescaleSlope` is the brightness in thousandths of the largest
value of the volume's clean images, so that viewers show all versions of a volume alike.
https://dicom.nema.org, PS3.3, A.8.1.
"""

from __future__ import annotations

from pathlib import Path
from uuid import uuid5

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from data_prep.image_formats import ImageVolume
from data_prep.whole import whole_folder
from jaxcs.names import printable

NOT_FOR_DIAGNOSIS = "NOT FOR DIAGNOSIS"
_LONGEST = 64  # characters of a description
_LEVELS = 2**16 - 1
_WHITE = 1000  # of the largest clean value


def write(folder: Path, volume: ImageVolume) -> None:
    """Write the folder `folder`/name-dicom with a series, a file for each slice that did not fail.

    Args:
        folder: folder to write to.
        volume: the volume.

    Raises:
        OSError: If the system refuses.
    """
    there = [index for index, image in enumerate(volume.images) if np.isfinite(image).all()]
    scale = _WHITE / volume.peak if volume.peak > 0 else 1.0
    largest = max((scale * float(volume.images[index].max()) for index in there), default=0.0)
    # The digits that an element can hold decide the slope, so that a reader has the same one.
    slope = format_number_as_ds(largest / _LEVELS if largest > 0 else 1.0)
    series = generate_uid(prefix=None)
    with whole_folder(folder / f"{volume.name}-dicom") as part:
        for index in there:
            image = np.clip(np.rint(volume.images[index] * (scale / float(slope))), 0, _LEVELS).astype("<u2")
            found = _capture(volume, volume.first + index, series)
            found.RescaleIntercept, found.RescaleSlope, found.RescaleType = "0", slope, "US"
            found.WindowCenter, found.WindowWidth = str(_WHITE // 2), str(_WHITE)
            found.Rows, found.Columns = image.shape
            found.PixelData = image.tobytes()
            found.save_as(part / f"{volume.first + index:04d}.dcm", enforce_file_format=True)


def _capture(volume: ImageVolume, index: int, series: str) -> Dataset:
    """All elements of a slice but its numbers."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SpecificCharacterSet = "ISO_IR 192"
    found.ImageType = ["DERIVED", "SECONDARY"]
    found.SOPClassUID, found.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(prefix=None)
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    # All versions of a volume are series of one study.
    found.StudyInstanceUID = _shared(volume, "")
    found.SeriesInstanceUID = series
    for name in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "Laterality", "SeriesNumber", "Manufacturer",
    ):  # fmt: skip
        setattr(found, name, "")
    found.Modality, found.ConversionType = "OT", "WSD"
    words = printable(volume.words).replace("\\", "/")  # which parts the values of an element
    found.SeriesDescription = f"{NOT_FOR_DIAGNOSIS}: {words}"[:_LONGEST]
    found.ImageComments = f"{NOT_FOR_DIAGNOSIS}. Made by software for research: {words}; {printable(volume.name)}. "
    found.ImageComments += f"A brightness of {_WHITE} is {volume.peak:.9g} in units of the data."
    found.DerivationDescription = f"Reconstructed from under-sampled k-space: {words}"
    # No pixel tells who was scanned and when.
    found.BurnedInAnnotation, found.LossyImageCompression = "NO", "00"
    found.InstanceNumber = str(index + 1)
    if volume.geometry is not None:
        found.PixelSpacing = [format_number_as_ds(edge) for edge in volume.geometry.voxel[:2]]
        _place(found, volume, index)
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 16, 15, 0
    return found


def _shared(volume: ImageVolume, what: str) -> str:
    """A unique identifier that all versions of a volume share."""
    return f"2.25.{uuid5(volume.run, printable(volume.name) + what).int}"


def _place(found: Dataset, volume: ImageVolume, index: int) -> None:
    """Add the place of a slice in the patient (PS3.3, C.7.6.2), if it is known."""
    if volume.geometry is None or volume.geometry.affine is None:
        return
    row, column, thickness = volume.geometry.voxel
    # DICOM's axes run to the left and to posterior, the other way from NIfTI's.
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.geometry.moved(0, 0, index).affine
    along_row, along_column = affine[:3, 0] / column, affine[:3, 1] / row
    found.ImagePositionPatient = [format_number_as_ds(float(edge)) for edge in affine[:3, 3]]
    found.ImageOrientationPatient = [format_number_as_ds(float(one)) for one in (*along_row, *along_column)]
    found.SpacingBetweenSlices = format_number_as_ds(thickness)
    found.FrameOfReferenceUID, found.PositionReferenceIndicator = _shared(volume, "/place"), ""
