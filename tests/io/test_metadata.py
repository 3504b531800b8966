"""What goes from one file to another beside the values."""

import io
import struct

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from invprior.io import images
from invprior.io.losses import losses
from invprior.io.metadata import Metadata
from invprior.io.save import save, save_stack

VALUES = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def doubles(*values):
    return struct.pack(f"<{len(values)}d", *values)


def again(source, target, scale=1):
    """Copy a file by `load` and `save`; return the source as it was read."""
    image = images.load(source)
    x = image.x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    save(target, x, like=image)
    return image


@pytest.fixture
def photo(tmp_path):
    """A photograph on its side, with a profile, 300 dots per inch and EXIF."""
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    exif.get_ifd(34665)[33434] = 0.008  # the exposure time
    exif.get_ifd(34853)[1] = "N"  # of the latitude
    path = tmp_path / "photo.jpg"
    image = Image.fromarray(np.stack([VALUES] * 3, -1))
    image.save(path, exif=exif, dpi=(300, 300), icc_profile=PROFILE, comment="a cat")
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_photograph_keeps_its_profile_resolution_and_exif(tmp_path, photo, suffix, deep):
    target = tmp_path / f"x{suffix}"
    image = images.load(photo)
    depth = "uint16" if deep and suffix != ".jpg" else "uint8"
    save(target, image.x, depth=depth, like=image)
    with tifffile.TiffFile(target) if deep and suffix == ".tif" else Image.open(target) as back:
        if isinstance(back, tifffile.TiffFile):  # Pillow opens no deep colours
            tags = back.pages.first.tags
            assert tags[271].value == "Maker"
            assert tags[34665].value["ExposureTime"] == pytest.approx(0.008)
            return
        assert back.size == (6, 8)
        exif = back.getexif()
        assert back.info["icc_profile"] == PROFILE
        assert [round(float(v)) for v in back.info["dpi"]] == [300, 300]
        assert exif[271] == "Maker"
        assert exif.get(274, 1) == 1  # the turn has been applied
        assert exif.get_ifd(34665)[33434] == pytest.approx(0.008)
        assert exif.get_ifd(34853)[1] == "N"
    assert images.load(target).metadata.description == "a cat"
    assert losses(target, image.x, image) == ()


GEO = [
    (33550, 12, 3, doubles(30, 30, 0), True),
    (33922, 12, 6, doubles(0, 0, 0, 5e5, 4e6, 0), True),
    (34735, 3, 4, struct.pack("<4H", 1, 1, 0, 0), True),
    (34737, 2, 4, b"abc\0", True),
    (42112, 2, 6, b"<GDAL\0", True),
    (42113, 2, 3, b"46\0", True),
]


def write_geo(path, values=VALUES):
    tifffile.imwrite(path, values, photometric="minisblack", metadata=None, extratags=GEO)


def test_geotiff_tags_are_kept(tmp_path):
    write_geo(tmp_path / "g.tif")
    image = images.load(tmp_path / "g.tif")
    assert int(image.missing.sum()) == 1
    save(tmp_path / "x.tif", image.x.nan_to_num(0.0), like=image)
    with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
        tags = tiff.pages.first.tags
        assert tags[33550].value == (30.0, 30.0, 0.0)
        assert tags[33922].value == (0.0, 0.0, 0.0, 5e5, 4e6, 0.0)
        assert tags[34735].value == (1, 1, 0, 0)
        assert tags[34737].value == "abc"
        assert str(tags[42113].value) == "46"
    assert losses(tmp_path / "x.tif", image.x, image) == ()
    # A restored value that equals the nodata value is no missing pixel.
    save(tmp_path / "y.tif", image.x.nan_to_num(46 / 255), like=image)
    assert images.load(tmp_path / "y.tif").missing is None


def test_positions_are_left_out_of_an_image_of_another_size(tmp_path):
    write_geo(tmp_path / "g.tif")
    image = images.load(tmp_path / "g.tif")
    x = image.x.nan_to_num(0.0).repeat_interleave(2, -1)
    save(tmp_path / "x.tif", x, like=image)
    with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
        assert 33550 not in tiff.pages.first.tags
    (note,) = losses(tmp_path / "x.tif", x, image)
    assert "GeoTIFF tags" in note
    assert "6 x 16" in note


def test_what_a_format_cannot_hold_is_told(tmp_path, photo):
    write_geo(tmp_path / "g.tif")
    geo, cat = images.load(tmp_path / "g.tif"), images.load(photo)
    (note,) = losses(tmp_path / "x.png", geo.x, geo)
    assert note.startswith("x.png cannot hold")
    assert "GeoTIFF tags, GDAL metadata and nodata tag" in note
    (note,) = losses(tmp_path / "x.npy", cat.x, cat)
    assert "colour profile, resolution, EXIF and description" in note
    (note,) = losses(tmp_path / "x.jpg", torch.zeros(1, 1, 2, 2), images.Image(cat.x, "uint16"))
    assert "8 bits" in note


@pytest.mark.parametrize("kind", ["ome", "imagej", "shaped", "pages"])
def test_a_stack_keeps_its_axes_and_description(tmp_path, kind):
    values = np.arange(2 * 3 * 6 * 8, dtype=np.uint16).reshape(2, 3, 6, 8)
    options = {
        "ome": {"ome": True, "metadata": {"axes": "TCYX", "PhysicalSizeX": 0.1}},
        "imagej": {"imagej": True, "metadata": {"axes": "TZYX", "unit": "um", "spacing": 2.0}},
        "shaped": {"metadata": {"axes": "TZYX", "exposure": 3}},
        "pages": {"metadata": None},
    }[kind]
    source, target = tmp_path / "s.tif", tmp_path / "x.tif"
    resolution = {} if kind == "ome" else {"resolution": (10, 20)}
    tifffile.imwrite(source, values, photometric="minisblack", **options, **resolution)
    stack = images.load_stack(source)
    save_stack(target, [i.x for i in stack.images], like=stack.images)
    with tifffile.TiffFile(target) as tiff, tifffile.TiffFile(source) as old:
        assert tiff.series[0].axes == old.series[0].axes
        assert np.array_equal(tiff.asarray(), old.asarray())
        assert tiff.pages.first.description == old.pages.first.description
        assert tiff.is_ome == (kind == "ome")
        assert tiff.imagej_metadata == old.imagej_metadata
        for code in (282, 283):
            assert tiff.pages.first.tags.valueof(code) == old.pages.first.tags.valueof(code)


def test_pages_of_different_sizes(tmp_path):
    sizes = [(6, 8), (4, 9)]
    x = [torch.full((1, 1, *size), 0.2) for size in sizes]
    save_stack(tmp_path / "x.tif", x, depth="uint8")
    back = images.load_stack(tmp_path / "x.tif").images
    assert [tuple(i.x.shape[2:]) for i in back] == sizes


@pytest.mark.parametrize("premultiplied", [True, False])
def test_premultiplied_alpha_returns(tmp_path, premultiplied):
    alpha = np.full((6, 8), 128, np.uint8)
    alpha[0] = 0
    colours = np.minimum(VALUES, alpha) if premultiplied else VALUES
    values = np.stack([colours, alpha], -1)
    extra = [1 if premultiplied else 2]
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="minisblack", extrasamples=extra, metadata=None,
        planarconfig="contig",
    )  # fmt: skip
    image = again(tmp_path / "a.tif", tmp_path / "x.tif")
    assert image.premultiplied == premultiplied
    with tifffile.TiffFile(tmp_path / "x.tif") as tiff:
        assert [int(e) for e in tiff.pages.first.extrasamples] == extra
        back = tiff.asarray()
    assert np.array_equal(back, values) or (premultiplied and np.array_equal(back[1:], values[1:]))


def test_fits_header(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header()
    header["OBJECT"], header["CRVAL1"], header["DATAMAX"] = "M 31", 10.68, 47
    header["HISTORY"] = "flat field"
    fits.PrimaryHDU(VALUES.astype(np.float32), header).writeto(tmp_path / "m.fits")
    image = again(tmp_path / "m.fits", tmp_path / "x.fits")
    back = fits.getheader(tmp_path / "x.fits")
    assert (back["OBJECT"], back["CRVAL1"], str(back["HISTORY"])) == ("M 31", 10.68, "flat field")
    assert "DATAMAX" not in back
    assert back["BITPIX"] == -32
    assert losses(tmp_path / "x.fits", image.x, image) == ()


def test_nifti_affine(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = 5
    volume = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "v.nii.gz")
    stack = images.load_stack(tmp_path / "v.nii.gz")
    save_stack(tmp_path / "x.nii.gz", [i.x for i in stack.images], like=stack.images)
    back = nibabel.load(tmp_path / "x.nii.gz")
    assert np.array_equal(back.affine, affine)
    assert back.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(back.dataobj), volume)


def test_metadata_can_be_kept_as_text(tmp_path, photo):
    write_geo(tmp_path / "g.tif")
    for path in (photo, tmp_path / "g.tif"):
        about = images.load(path).metadata
        assert Metadata.unpacked(about.packed()) == about


def test_broken_metadata_do_not_stop_an_image(tmp_path):
    content = io.BytesIO()
    Image.fromarray(VALUES).save(content, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    (tmp_path / "x.jpg").write_bytes(content.getvalue())
    assert images.load(tmp_path / "x.jpg").metadata.exif is None
