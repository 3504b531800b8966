"""What a file says of its image beside the values: colour profile, resolution, EXIF, position, descriptions."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from invprior.io.readers.base import Array, optional
from invprior.io.readers.nodata import is_nodata
from invprior.io.readers.pillow import FORMATS

# TIFF tags that are copied as they are, and what notes call them. GDAL_NODATA is 42113.
POSITION = (33550, 33922, 34264, 34735, 34736, 34737)
NODATA = 42113
_TAGS = {
    **dict.fromkeys(POSITION, "GeoTIFF tags"),
    42112: "GDAL metadata",
    NODATA: "nodata tag",
    50838: "ImageJ metadata",
    50839: "ImageJ metadata",
}
# Of a TIFF file's first directory, these describe the image; others, such as the size, describe the file.
CAMERA = {271: "Make", 272: "Model", 306: "DateTime", 315: "Artist", 33432: "Copyright"}
_EXIF, _GPS = 34665, 34853  # directories of their own
_ORIENTATION = 274
_RESOLUTION = (282, 283, 296)
Tag: TypeAlias = tuple[int, int, int, bytes]
# Keywords of a FITS header that follow from the array, and sums over the old values.
_ARRAY = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BZERO|BSCALE|BLANK|CHECKSUM|DATASUM|DATAMIN|DATAMAX)$"
)


@dataclass(frozen=True)
class Metadata:
    """What can go from one file to another.

    Attributes:
        icc: colour profile.
        resolution: pixels per unit along x and y, and the unit: "inch", "cm" or "" for none.
        exif: a block of EXIF, which begins with the header of a TIFF file.
        description: text: OME-XML, ImageJ's, tifffile's, or anybody's.
        tags: code, type, count and bytes of TIFF tags.
        order: the order of their bytes, "<" or ">".
        header: of a FITS file, as text.
        nifti: header of a NIfTI file.
        axes: the axes of the file's array, see `invprior.io.images.Stack`.
        shape: the lengths of these axes.
        others: what the file holds that no other file takes, such as a "DICOM header".
    """

    icc: bytes | None = None
    resolution: tuple[float, float, str] | None = None
    exif: bytes | None = None
    description: str | None = None
    tags: tuple[Tag, ...] = ()
    order: Literal["<", ">"] = "<"
    header: str | None = None
    nifti: bytes | None = None
    axes: str = ""
    shape: tuple[int, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is, in the words of notes."""
        present = {
            "colour profile": self.icc,
            "resolution": self.resolution,
            "EXIF": self.exif,
            self.text_kind: None if self.text_kind == "shape" else self.description,
            **{_TAGS[code]: True for code, *_ in self.tags},
            "FITS header": self.header,
            "NIfTI header": self.nifti,
        }
        return (*(name for name, value in present.items() if value), *self.others)

    @property
    def text_kind(self) -> str:
        """What the description is: "OME-XML", "ImageJ metadata", "shape" (tifffile's JSON) or "description"."""
        text = self.description or ""
        if text.startswith("ImageJ="):
            return "ImageJ metadata"
        if text.lstrip().startswith("<") and "<OME" in text.replace("OME:", ""):
            return "OME-XML"
        return "shape" if text.startswith('{"shape":') else "description"

    @property
    def size(self) -> tuple[int, ...]:
        """The height and the width of an image of the file, 1 and the length of a signal; empty when unknown."""
        if "X" not in self.axes:
            return ()
        return tuple(self.shape[self.axes.index(k)] if k in self.axes else 1 for k in "YX")

    def without_places(self) -> Metadata:
        """Leave out what ties pixels to places or lengths, for an image of another size than the file's."""
        plain = self.text_kind == "description"
        return Metadata(
            icc=self.icc,
            exif=self.exif,
            description=self.description if plain else None,
            axes=self.axes,
            shape=self.shape,
        )

    def packed(self) -> str:
        """Return all of it as text, which `unpacked` reads."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(values, default=bytes.hex)

    @staticmethod
    def unpacked(text: str) -> Metadata:
        """Return what `packed` has written."""
        kept = json.loads(text)
        for name in ("icc", "exif", "nifti"):
            kept[name] = None if kept[name] is None else bytes.fromhex(kept[name])
        kept["tags"] = tuple((c, t, n, bytes.fromhex(data)) for c, t, n, data in kept["tags"])
        if kept["resolution"] is not None:
            kept["resolution"] = tuple(kept["resolution"])
        return Metadata(**{**kept, "shape": tuple(kept["shape"]), "others": tuple(kept["others"])})


def read(path: Path, suffix: str, name: str | None = None) -> Metadata:
    """Read the metadata of a file that has been decoded; what cannot be read is left out.

    Args:
        path: the file.
        suffix: one of `codecs.SUFFIXES`.
        name: which of several images in the file, as for `codecs.decode`.
    """
    # Libraries raise nearly every type on broken metadata, which must not stop an image that could be read.
    with suppress(Exception):
        if suffix in (".tif", ".tiff"):
            return _of_tiff(path, name)
        if suffix.startswith((".fit", ".fts")):
            return _of_fits(path, name)
        if suffix.startswith(".nii"):
            image: Any = optional("nibabel", "nifti", "NIfTI files").load(path)
            return Metadata(nifti=bytes(image.header.binaryblock))
        if suffix in (".dcm", ".dicom"):
            return Metadata(others=("DICOM header",))
        if suffix not in (".npy", ".npz", ".mat", ".h5", ".hdf5"):
            return _of_pillow(path)
    return Metadata()


def _of_pillow(path: Path) -> Metadata:
    from PIL import Image

    with Image.open(path, formats=FORMATS) as image:
        exif = image.getexif()
        image.load()  # of a PNG file, what lies behind the pixels
        info = image.info
    text = info.get("Description") or info.get("comment")
    dpi = info.get("dpi")
    return Metadata(
        icc=info.get("icc_profile"),
        resolution=None if dpi is None else (float(dpi[0]), float(dpi[1]), "inch"),
        exif=_upright(exif),
        description=text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
    )


def _upright(exif: Any) -> bytes | None:
    """Return a block of EXIF without the orientation, which has been applied, and without the resolution."""
    for code in (_ORIENTATION, *_RESOLUTION):
        exif.pop(code, None)
    inner = any(len(exif.get_ifd(code)) for code in (_EXIF, _GPS))
    if not inner and not len(exif):
        return None
    block: bytes = exif.tobytes()
    return block.removeprefix(b"Exif\0\0")


def _of_tiff(path: Path, name: str | None) -> Metadata:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[int(name or 0)] if tiff.series else None
        # Of a file of one series, the first page holds the description, such as OME-XML.
        page: Any = tiff.pages.first if not name or series is None else series.keyframe
        found = page.tags
        text = page.description or None
        tags = tuple(_raw(tiff, found[code]) for code in _TAGS if code in found)
        x, y, unit = (found.valueof(code) for code in _RESOLUTION)
        icc, order = found.valueof(34675), tiff.byteorder
        described = any(code in found for code in (*CAMERA, _EXIF, _GPS))
    resolution = None
    if x and y and x[0] and y[0] and x[1] and y[1]:
        resolution = (x[0] / x[1], y[0] / y[1], {2: "inch", 3: "cm"}.get(int(unit or 2), ""))
    return Metadata(
        icc=None if icc is None else bytes(icc),
        resolution=None if resolution == (1.0, 1.0, "") else resolution,  # tifffile's default
        exif=_exif_of_tiff(path) if described else None,
        description=text,
        tags=tags,
        order=order,
    )


def _raw(tiff: Any, tag: Any) -> Tag:
    tiff.filehandle.seek(tag.valueoffset)
    return tag.code, int(tag.dtype), tag.count, tiff.filehandle.read(tag.valuebytecount)


def _exif_of_tiff(path: Path) -> bytes | None:
    from PIL import Image

    exif = Image.Exif()
    with path.open("rb") as file:
        exif.load_from_fp(file)
        for code in (_EXIF, _GPS):
            exif.get_ifd(code)  # read while the file is open
        for code in set(exif) - {*CAMERA, _EXIF, _GPS}:
            del exif[code]
        return _upright(exif)


def _of_fits(path: Path, name: str | None) -> Metadata:
    fits = optional("astropy.io.fits", "fits", "FITS files")
    with fits.open(path, memmap=False, do_not_scale_image_data=True) as units:
        images = [u for u in units if u.is_image and len(getattr(u, "shape", ())) >= 2]
        if name is not None:
            images = [units[int(name) if name.isdecimal() else name.partition(",")[0]]]
        header = images[0].header.copy()
    for keyword in [k for k in header if _ARRAY.match(k)]:
        header.remove(keyword, remove_all=True, ignore_missing=True)
    return Metadata(header=header.tostring(sep="\n", endcard=False, padding=False))


def for_values(about: Metadata, array: Array) -> Metadata:
    """Leave out the nodata tag where a value that is written would be taken for missing.

    Restored pixels are not missing any more, and a tag of a value that none of them has does no harm.
    """
    for tag in about.tags:
        if (
            tag[0] == NODATA
            and is_nodata(array, tag[3].decode("ascii", "replace").strip("\0 ")).any()
        ):
            return replace(about, tags=tuple(t for t in about.tags if t is not tag))
    return about
