"""TIFF files as microscopes, cameras and maps have them."""

import warnings

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from invprior.errors import MeasurementError
from invprior.io import images

GENERATOR = np.random.default_rng(0)


def noise(*shape, dtype="uint8"):
    if np.dtype(dtype).kind == "f":
        return GENERATOR.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return GENERATOR.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def stack_of(path, array, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the photometric interpretation that tifffile chooses
        tifffile.imwrite(path, array, **options)
    return images.load_stack(path)


@pytest.mark.parametrize(
    ("shape", "options", "axes", "count", "channels"),
    [
        ((3, 20, 18), {}, "QYX", 3, 1),  # tifffile marks these as RGB and RGBA
        ((4, 20, 18), {}, "QYX", 4, 1),
        ((4, 20, 18), {"photometric": "minisblack"}, "QYX", 4, 1),
        ((4, 20, 18), {"photometric": "minisblack", "metadata": None}, "IYX", 4, 1),
        ((4, 20, 18), {"imagej": True, "metadata": {"axes": "ZYX"}}, "ZYX", 4, 1),
        ((2, 3, 20, 18), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "ZCYX", 2, 3),
        ((4, 20, 18), {"ome": True, "metadata": {"axes": "TYX"}, "photometric": "minisblack"}, "TYX", 4, 1),
        ((2, 2, 3, 20, 18), {"ome": True, "metadata": {"axes": "TZCYX"}, "photometric": "minisblack"}, "TZCYX", 4, 3),
        ((20, 18, 3), {"photometric": "rgb"}, "YXS", 1, 3),
        ((5, 20, 18, 3), {"photometric": "rgb"}, "QYXS", 5, 3),
    ],
)  # fmt: skip
def test_axes_come_from_the_file(tmp_path, shape, options, axes, count, channels):
    array = noise(*shape)
    stack = stack_of(tmp_path / "x.tif", array, **options)
    assert (stack.axes, stack.shape) == (axes, shape)
    assert [i.x.shape for i in stack.images] == [(1, channels, 20, 18)] * count
    assert all(i.alpha is None for i in stack.images)
    pages = np.concatenate([(i.x * 255).round().numpy() for i in stack.images])
    order = [axes.index(a) for a in axes if a not in "CSYX"]
    order += [axes.index(a) for a in axes if a in "CS"] + [axes.index("Y"), axes.index("X")]
    assert np.array_equal(pages.reshape(-1), array.transpose(order).reshape(-1))
    guessed = options == {}
    assert ["read as images" in note for note in stack.notes] == [True] * guessed
    if count > 1:
        with pytest.raises(MeasurementError, match=rf"holds {count} images.*solve x.tif -o OUT"):
            images.load(tmp_path / "x.tif")


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float16", "float64"])
def test_other_types_are_counts(tmp_path, dtype):
    array = noise(9, 8, dtype=dtype)
    image = stack_of(tmp_path / "x.tif", array).images[0]
    assert np.array_equal(image.x[0, 0], array.astype(np.float32))
    assert image.depth == {"float16": "float32"}.get(dtype, dtype)
    assert not image.scaled
    exact = images.load(tmp_path / "x.tif", torch.float64)
    assert np.array_equal(exact.x[0, 0], array)
    assert exact.notes == ()
    rounded = images.load(tmp_path / "x.tif").notes
    assert ["rounded in float32" in n for n in rounded] == [True] * (dtype in ("int32", "uint32"))


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("uint16", {"compression": "lzw"}),
        ("uint16", {"compression": "lzw", "predictor": True}),
        ("float32", {"compression": "deflate", "predictor": True}),
        ("int16", {"compression": "zstd"}),
    ],
)
def test_compressions(tmp_path, dtype, options):
    pytest.importorskip("imagecodecs")
    array = noise(3, 9, 8, dtype=dtype)
    stack = stack_of(tmp_path / "x.tif", array, photometric="minisblack", **options)
    top = 65535 if dtype == "uint16" else 1
    for image, page in zip(stack.images, array, strict=True):
        assert np.allclose(image.x[0, 0] * top, page, rtol=1e-6)


def test_colours_in_jpeg_are_rgb(tmp_path):
    pytest.importorskip("imagecodecs")
    array = np.full((16, 16, 3), (255, 128, 0), np.uint8)
    x = stack_of(tmp_path / "x.tif", array, compression="jpeg", photometric="rgb").images[0].x
    assert np.allclose(x[0, :, 0, 0] * 255, (255, 128, 0), atol=3)


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    array = noise(9, 8, dtype="uint16")
    tifffile.imwrite(tmp_path / "deep.tif", array)
    Image.fromarray(noise(9, 8)).save(tmp_path / "flat.tif", compression="tiff_lzw")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", fail)
    with pytest.raises(MeasurementError, match=r"pip install 'invprior\[tiff\]'"):
        images.load(tmp_path / "deep.tif")
    assert images.load(tmp_path / "flat.tif").x.shape == (1, 1, 9, 8)  # by Pillow


@pytest.mark.parametrize(
    ("dtype", "text", "hole"),
    [
        ("float32", "-3.4028234663852886e+38", np.finfo(np.float32).min),
        ("float32", "-3.4e38", np.finfo(np.float32).min),
        ("float32", "nan", np.nan),
        ("int16", "-9999", -9999),
        ("uint8", "0", 0),
        ("uint16", "65535", 65535),
        ("uint8", "-9999", None),
    ],
)
def test_gdal_nodata_is_missing(tmp_path, dtype, text, hole):
    array = noise(9, 8, 3, dtype=dtype)
    array[array == np.asarray(hole or 0, dtype)] += 1
    if hole is not None:
        array[2, 3] = hole
        array[4, 4, 1] = hole
    nodata = (42113, "s", 0, text, True)
    path = tmp_path / "x.tif"
    image = stack_of(path, array, photometric="rgb", extratags=[nodata], metadata=None).images[0]
    if hole is None:
        assert image.missing is None
        return
    assert image.missing.nonzero().tolist() == [[0, 0, 2, 3], [0, 0, 4, 4]]
    assert image.x.isnan().sum() == 4


def test_a_mask_beside_the_image_marks_missing_pixels(tmp_path):
    mask = np.full((9, 8), 255, np.uint8)
    mask[1, 2] = 0
    with tifffile.TiffWriter(tmp_path / "x.tif") as tiff:
        tiff.write(noise(9, 8), metadata=None)
        tiff.write(mask, subfiletype=2, photometric="mask", metadata=None)
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as tiff:
        tiff.pages[1].tags[254].overwrite(4)
    assert images.load(tmp_path / "x.tif").missing.nonzero().tolist() == [[0, 0, 1, 2]]


def test_premultiplied_colours_are_divided_by_alpha(tmp_path):
    array = np.zeros((4, 4, 4), np.uint8)
    array[..., 3] = 128
    array[..., 0] = 64
    array[0, 0] = 0
    path = tmp_path / "x.tif"
    image = stack_of(path, array, photometric="rgb", extrasamples=["assocalpha"]).images[0]
    assert image.premultiplied
    assert image.alpha[0, 0, 0, 0] == 0
    assert torch.allclose(image.x[0, :, 1, 1], torch.tensor([0.5, 0, 0]))
    assert image.x.isfinite().all()


def test_reduced_images_are_left_out_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as tiff:
        tiff.write(noise(16, 16), metadata=None)
        tiff.write(noise(8, 8), subfiletype=1, metadata=None)
    image = images.load(tmp_path / "x.tif")
    assert image.x.shape == (1, 1, 16, 16)
    assert image.notes == ("Its reduced copies (thumbnail, overviews) are left out.",)


def test_pages_of_different_sizes_keep_their_order(tmp_path):
    sizes = [(9, 8), (5, 6), (9, 8)]
    with tifffile.TiffWriter(tmp_path / "x.tif") as tiff:
        for size in sizes:
            tiff.write(noise(*size), metadata=None, photometric="minisblack")
    stack = images.load_stack(tmp_path / "x.tif")
    assert [tuple(i.x.shape[2:]) for i in stack.images] == sizes
    assert stack.axes == "IYX"


def test_pages_in_a_circle_are_refused(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, noise(3, 9, 8), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[2]
    data = bytearray(path.read_bytes())
    end = last.offset + 2 + 12 * len(last.tags)
    data[end : end + 4] = first.to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(MeasurementError, match="form a circle"):
        images.load(path)


def test_one_of_several_stacks_is_named_by_its_number(tmp_path):
    array = noise(3, 9, 8)
    path = tmp_path / "x.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        tiff.write(noise(2, 9, 8), metadata={"axes": "ZYX"}, photometric="minisblack")
        tiff.write(array, metadata={"axes": "TYX"}, photometric="minisblack")
    with pytest.raises(MeasurementError, match=r"2 series of images \(0, 1\).*FILE:0"):
        images.load_stack(path)
    stack = images.load_stack(f"{path}:1")
    assert stack.axes == "TYX"
    assert np.array_equal((stack.images[2].x[0, 0] * 255).round(), array[2])


def test_palettes_and_inverted_greys(tmp_path):
    table = noise(3, 256, dtype="uint16")
    array = noise(2, 9, 8)
    stack = stack_of(tmp_path / "x.tif", array, photometric="palette", colormap=table)
    assert stack.images[0].x.shape == (1, 3, 9, 8)
    assert np.allclose(stack.images[1].x[0] * 255, table[:, array[1]] >> 8, atol=1e-4)
    white = {"photometric": "miniswhite", "metadata": None}
    x = stack_of(tmp_path / "y.tif", array[0], **white).images[0].x
    assert np.array_equal((x[0, 0] * 255).round(), 255 - array[0])


@pytest.mark.parametrize(("kind", "name"), [("separated", "CMYK"), ("cielab", "LAB")])
def test_colours_for_print_are_refused(tmp_path, kind, name):
    tifffile.imwrite(tmp_path / "x.tif", noise(9, 8, 4 if name == "CMYK" else 3), photometric=kind)
    with pytest.raises(MeasurementError, match=rf"colours are {name}.*magick"):
        images.load(tmp_path / "x.tif")


def test_what_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    from invprior.io import room

    tifffile.imwrite(tmp_path / "x.tif", shape=(4000, 4000), dtype="uint8", data=None)
    monkeypatch.setattr(room, "free_memory", lambda: 10**6)
    with pytest.raises(MeasurementError, match=r"16,000,000 values need 0.1 GB.*Crop"):
        images.load(tmp_path / "x.tif")
