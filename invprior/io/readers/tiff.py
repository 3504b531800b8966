"""TIFF files, by tifffile, which knows the axes of microscopes' files; Pillow reads colours that it does not."""

from __future__ import annotations

import math
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers import pillow
from invprior.io.readers.base import Array, Decoded, checked_shape, chosen, pages_of
from invprior.io.readers.nodata import is_nodata
from invprior.io.room import check_deflated

# Photometric interpretations, in numbers of the TIFF specification and its supplements.
WHITE_IS_ZERO, RGB, PALETTE, YCBCR = 0, 2, 3, 6
_REFUSED = {
    5: "CMYK",
    8: "LAB",
    9: "LAB",
    10: "LAB",
    32803: "those of a raw sensor",
    32844: "LogL",
    32845: "LogLuv",
}
_JPEG = (6, 7)
# Compressions that Python itself unpacks, without a limit.
_DEFLATE, _LZMA = (8, 32946), 34925
_NEEDS_CODECS = (
    "its compression needs the package imagecodecs, which is not installed. "
    "Install it: pip install 'invprior[tiff]', or save the file without compression."
)


def read(path: Path, name: str | None = None) -> Decoded:
    """Read all pages. The axes are those that the file names (OME, ImageJ, tifffile), else its pages and samples.

    Args:
        path: the file.
        name: number of the series, from 0, in a file of several stacks.
    """
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        _check_chain(tiff)
        _check_packed(path, tiff)
        series = [s for s in tiff.series if not (s.keyframe.is_reduced or s.keyframe.is_mask)]
        notes = _left_out(tiff)
        if not series:
            raise MeasurementError("it holds no image of full size.")
        page = series[0].keyframe
        _check_page(page)
        if page.photometric == YCBCR and page.compression not in _JPEG:
            return pillow.read(path)
        try:
            if len(series) > 1 and name is None and _single_pages(series):
                return _unequal(tiff, notes)
            index = int(chosen([str(k) for k in range(len(series))], name, "series of images"))
            part = series[index]
            page = part.keyframe
            checked_shape(part.shape, part.dtype)
            array, axes = part.asarray(), part.axes
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            if page.bitspersample > 8 or len(tiff.pages) > 1:  # Pillow would cut colours to 8 bits
                raise MeasurementError(_NEEDS_CODECS) from None
            return pillow.read(path)
        known = _mask(tiff, page)
        return _decoded(array, axes, page, tiff, known, notes)


def _check_chain(tiff: Any) -> None:
    """Refuse a page that points to an earlier one, as in a damaged file; tifffile would follow it for ever."""
    form, file, offset = tiff.tiff, tiff.filehandle, tiff.pages.first.offset
    seen = set()
    while 0 < offset < file.size:
        if offset in seen:
            raise ValueError("its pages form a circle")
        seen.add(offset)
        file.seek(offset)
        count = file.read(form.tagnosize)
        if len(count) < form.tagnosize:
            return
        tags = file.read(struct.unpack(form.tagnoformat, count)[0] * form.tagsize + form.offsetsize)
        if len(tags) < form.offsetsize:
            return
        offset = struct.unpack(form.offsetformat, tags[-form.offsetsize :])[0]


def _check_packed(path: Path, tiff: Any) -> None:
    """Refuse compressed strips or tiles that do not fit into memory; imagecodecs has a limit for them itself."""
    if find_spec("imagecodecs") is not None:
        return
    if any(page.keyframe.compression == _LZMA for page in tiff.pages):
        raise MeasurementError(_NEEDS_CODECS)
    packed = (page for page in tiff.pages if page.keyframe.compression in _DEFLATE)
    # Two bytes of zlib stand before the stream.
    check_deflated(path, (start + 2 for page in packed for start in page.dataoffsets))


def _check_page(page: Any) -> None:
    kind = _REFUSED.get(int(page.photometric))
    if kind is not None:
        raise MeasurementError(f"its colours are {kind}, not grey or RGB. {pillow.REMEDY}.")
    if page.dtype is None:
        raise MeasurementError(
            "the type of its values is unknown. Save it with integers or floats."
        )
    # tifffile takes absent strips for black: a header with one wrong bit would be an image of any height.
    if not page.is_contiguous and len(page.dataoffsets) < math.prod(page.chunked):
        raise ValueError("some of its strips or tiles are missing")


def _decoded(
    array: Array, axes: str, page: Any, tiff: Any, known: Array | None, notes: list[str]
) -> Decoded:
    notes = list(notes)
    if page.photometric == RGB and axes == "SYX" and tiff.is_shaped:
        # tifffile.imwrite marks any array of 3 or 4 planes as RGB or RGBA unless it is told otherwise.
        axes = "QYX"
        notes.append(
            f"Its {len(array)} planes, marked as colours by tifffile's default, are read as images; for colours, "
            "write (H, W, 3)."
        )
    colours = page.samplesperpixel - len(page.extrasamples)
    kinds = [int(kind) for kind in page.extrasamples] if "S" in axes else []
    array, axes = _expanded(array, axes, page, tiff, notes)
    pages, axes, shape = pages_of(array, axes)
    alpha = any(kind in (1, 2) for kind in kinds)
    if alpha:
        at = colours + next(k for k, kind in enumerate(kinds) if kind in (1, 2))
        if at < colours + len(kinds) - 1:
            order = [k for k in range(colours + len(kinds)) if k != at] + [at]
            pages = [p[..., order] for p in pages]
    missing = _missing(pages, page, alpha)
    if known is not None and len(pages) == 1:
        outside = ~known.astype(bool)[..., None]
        missing = [outside if missing is None else missing[0] | outside]
    turn = page.tags.valueof(274, 1)
    return Decoded(
        [pillow.oriented(p, turn) for p in pages],
        axes,
        shape,
        alpha,
        premultiplied=1 in kinds,
        missing=None if missing is None else [pillow.oriented(m, turn) for m in missing],
        notes=tuple(notes),
    )


def _missing(pages: Any, page: Any, alpha: bool) -> list[Array] | None:
    text = page.tags.valueof(42113)  # GDAL_NODATA
    if text is None:
        return None
    found = [is_nodata(p[..., :-1] if alpha else p, str(text).strip("\0 ")) for p in pages]
    return found if any(f.any() for f in found) else None


def _expanded(array: Array, axes: str, page: Any, tiff: Any, notes: list[str]) -> tuple[Array, str]:
    """Turn indices of a palette, inverted and few bits into values that rise from black to white."""
    if page.photometric == PALETTE:
        if tiff.is_imagej:
            notes.append("Its colour table (LUT) is left out; the values are kept.")
            return array, axes
        table = (page.colormap >> 8).astype(np.uint8)
        return np.moveaxis(table[:, array], 0, -1), axes + "S"
    bits = page.bitspersample
    if page.photometric == WHITE_IS_ZERO and array.dtype.kind in "bu":
        if tiff.is_shaped:
            notes.append(
                "It is marked as inverted by tifffile's default for booleans; the values are kept."
            )
        elif array.dtype.kind == "b":
            array = ~array
        else:
            array = np.asarray((1 << bits) - 1, array.dtype) - array
    if array.dtype == np.uint8 and bits in (2, 4):
        array = array * np.uint8(255 // ((1 << bits) - 1))
    return array, axes


def _single_pages(series: list[Any]) -> bool:
    """Return whether the series are nothing but pages of different sizes."""
    return all(
        s.kind in ("generic", "uniform", "shaped") and set(s.axes) <= set("IYXS") for s in series
    )


def _unequal(tiff: Any, notes: list[str]) -> Decoded:
    """Read pages that differ in size, in their order."""
    found = []
    for page in tiff.pages:
        page = page.aspage()
        if page.is_reduced or page.is_mask:
            continue
        _check_page(page)
        checked_shape(page.shape, page.dtype)
        found.append(_decoded(page.asarray(), page.axes, page, tiff, None, []))
    if len({(f.alpha, f.premultiplied, f.pages[0].shape[2], f.pages[0].dtype) for f in found}) > 1:
        raise MeasurementError(
            "its pages differ in their type or number of channels; save them in files of their own."
        )
    first = found[0]
    hidden = [f.missing for f in found]
    missing = None
    if any(m is not None for m in hidden):
        missing = [
            np.zeros((*f.pages[0].shape[:2], 1), bool) if m is None else m[0]
            for f, m in zip(found, hidden, strict=True)
        ]
    notes = [*notes, *dict.fromkeys(note for f in found for note in f.notes)]
    return Decoded(
        [f.pages[0] for f in found],
        "I" + first.axes,
        (len(found), *first.shape),
        first.alpha,
        first.premultiplied,
        missing,
        tuple(notes),
    )


def _left_out(tiff: Any) -> list[str]:
    count = sum(len(s.levels) - 1 + s.keyframe.is_reduced for s in tiff.series)
    return ["Its reduced copies (thumbnail, overviews) are left out."] * (count > 0)


def _mask(tiff: Any, page: Any) -> Array | None:
    """Return the mask that the file holds beside its image, as GDAL writes: 0 where a pixel is missing."""
    for series in tiff.series:
        other = series.keyframe
        if (
            other.is_mask
            and not other.is_reduced
            and other.shape[:2] == page.shape[:2]
            and series.ndim == 2
        ):
            mask: Array = series.asarray()
            return mask
    return None
