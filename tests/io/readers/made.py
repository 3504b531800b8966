"""Files of optional formats, written by the packages that read them."""

import numpy as np

GENERATOR = np.random.default_rng(0)
PLANE = GENERATOR.normal(size=(9, 8)).astype(np.float32)


def integers(dtype, *shape):
    limits = np.iinfo(dtype)
    return GENERATOR.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def fits_of(*arrays, **options):
    from astropy.io import fits

    return fits.HDUList(
        [fits.PrimaryHDU(arrays[0]), *(fits.ImageHDU(a, **options) for a in arrays[1:])]
    )


def dicom_of(path, array, *, deflated=False, **fields):
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import (
        CTImageStorage,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRLittleEndian,
    )

    meta = FileMetaDataset()
    plain, packed = ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian
    meta.TransferSyntaxUID = packed if deflated else plain
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = pydicom.Dataset()
    data.file_meta = meta
    colour = array.shape[-1] == 3
    rows = array.shape[-3 if colour else -2]
    data.Rows, data.Columns = rows, array.shape[-2 if colour else -1]
    data.SamplesPerPixel = 3 if colour else 1
    data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * array.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    for key, value in fields.items():
        setattr(data, key, value)
    data.PixelData = array.tobytes()
    data.save_as(path, enforce_file_format=True)


def write(path, kind):
    """Write a small file of a kind, such as ".dcm"."""
    if kind == ".dcm":
        dicom_of(path, integers("int16", 9, 8), RescaleSlope=1, RescaleIntercept=-1024)
    elif kind == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file.create_dataset(
                "a/b", data=integers("int16", 40, 40), chunks=(13, 14), compression="gzip"
            )
    elif kind == ".tif":
        import tifffile

        options = {"metadata": {"axes": "ZCYX"}, "ome": True, "photometric": "minisblack"}
        tifffile.imwrite(path, integers("uint16", 2, 3, 20, 20), **options)
    else:
        from PIL import Image

        frame = Image.fromarray(integers("uint8", 9, 8, 3))
        several = {"save_all": True, "append_images": [frame]} if kind in (".gif", ".webp") else {}
        frame.save(path, **several)
