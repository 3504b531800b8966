import errno
import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from invprior.errors import MeasurementError
from invprior.io import encoders, images, png16
from invprior.io.save import save, writable

GENERATOR = np.random.default_rng(0)


def noise(*shape, dtype="uint8"):
    if dtype.startswith("float"):
        return GENERATOR.normal(size=shape).astype(dtype)
    return GENERATOR.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def planes(array):
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1)[None]


CASES = [
    (suffix, depth)
    for suffix, depths in encoders.DEPTHS.items()
    for depth in depths
    if suffix in (".png", ".tif", ".tiff", ".npy", ".npz")
    and depth in ("uint8", "uint16", "float32", "float64")  # the others hold counts, see test_save
]


@pytest.mark.parametrize(("suffix", "depth"), CASES)
@settings(max_examples=8, deadline=None)
@given(
    channels=st.sampled_from([1, 2, 3, 4, 7]),
    height=st.integers(8, 13),
    width=st.integers(8, 13),
    seed=st.integers(0, 99),
)
def test_a_round_trip_keeps_every_value(
    tmp_path_factory, suffix, depth, channels, height, width, seed
):
    if suffix == ".png" and channels not in (1, 3):
        channels = 3
    generator = np.random.default_rng(seed)
    if depth.startswith("uint"):
        top = np.iinfo(depth).max
        array = generator.integers(0, top, (height, width, channels), depth, endpoint=True)
        x = torch.from_numpy(planes(array).astype(np.float32) / np.float32(top))
    else:
        x = torch.from_numpy(planes(3 * generator.normal(size=(height, width, channels))))
        x = x.to(getattr(torch, depth))
        x[0, 0, 0, 0] = torch.nan
    path = tmp_path_factory.mktemp("round") / f"x{suffix}"
    save(path, x, depth=depth)
    image = images.load(path)
    assert image.depth == depth
    assert image.path == path
    assert image.alpha is None
    assert image.x.dtype == torch.float32
    torch.testing.assert_close(image.x, x.float(), rtol=0, atol=0, equal_nan=True)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_and_depth_are_carried_through(tmp_path, suffix, depth, channels):
    array = noise(6, 9, channels + 1, dtype=depth)
    source = tmp_path / f"in{suffix}"
    if suffix == ".tif":
        kind = "rgb" if channels == 3 else "minisblack"
        tifffile.imwrite(source, array, photometric=kind, extrasamples=[2], planarconfig="contig")
    elif depth == "uint8":
        Image.fromarray(array).save(source)
    else:
        with source.open("wb") as file:
            png16.encode(file, array)
    image = images.load(source)
    assert image.x.shape == (1, channels, 6, 9)
    assert image.alpha.shape == (1, 1, 6, 9)
    assert image.depth == depth
    target = tmp_path / f"out{suffix}"
    save(target, image.x, like=image)
    again = images.load(target)
    assert torch.equal(again.x, image.x)
    assert torch.equal(again.alpha, image.alpha)
    assert again.depth == depth


def test_alpha_is_resized_with_the_image(tmp_path):
    like = images.Image(torch.zeros(1, 3, 4, 4), alpha=torch.full((1, 1, 4, 4), 0.4))
    save(tmp_path / "x.png", torch.zeros(1, 3, 8, 8), like=like)
    alpha = images.load(tmp_path / "x.png").alpha
    assert alpha.shape == (1, 1, 8, 8)
    assert torch.allclose(alpha, torch.tensor(0.4), atol=1e-6)


@pytest.mark.parametrize("suffix", [".jpg", ".npy", ".npz"])
def test_alpha_that_does_not_fit_is_refused_before_the_run(tmp_path, suffix):
    like = images.Image(torch.zeros(1, 3, 4, 4), alpha=torch.ones(1, 1, 4, 4))
    with pytest.raises(MeasurementError, match=r"cannot hold the alpha channel.*Write \.png"):
        writable(tmp_path / f"x{suffix}", like=like)


@pytest.mark.parametrize(
    ("mode", "channels", "alpha"),
    [("1", 1, False), ("L", 1, False), ("LA", 1, True), ("P", 3, False), ("RGBA", 3, True)],
)
def test_pillow_modes_become_grey_or_colour(tmp_path, mode, channels, alpha):
    colour = Image.fromarray(noise(5, 6, 4))
    pillow = colour.convert("RGB").convert(mode) if mode in ("1", "P") else colour.convert(mode)
    pillow.save(tmp_path / "x.png")
    image = images.load(tmp_path / "x.png")
    wide = {"1": "L", "P": "RGB"}.get(mode, mode)
    expected = planes(np.asarray(pillow.convert(wide)))
    assert image.x.shape[1] == channels
    assert (image.alpha is not None) is alpha
    assert np.allclose(image.x * 255, expected[:, :channels], atol=1e-4)


def test_a_transparent_palette_keeps_its_alpha(tmp_path):
    image = Image.fromarray(noise(5, 6, 3)).convert("P")
    image.save(tmp_path / "x.png", transparency=image.getpixel((2, 1)))
    alpha = images.load(tmp_path / "x.png").alpha
    assert alpha[0, 0, 1, 2] == 0
    assert alpha.max() == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    from PIL import ImageOps

    image = Image.fromarray(noise(8, 16))
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"x{suffix}"
    if suffix == ".tif":
        extra = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, np.asarray(image), extratags=extra, metadata=None)
        image.getexif()[274] = orientation
        expected = ImageOps.exif_transpose(image)
    else:
        image.save(path, exif=exif)
        expected = ImageOps.exif_transpose(Image.open(path))
    assert np.array_equal((images.load(path).x[0, 0] * 255).round(), np.asarray(expected))


def test_jpeg_is_close_and_of_quality_95(tmp_path):
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32).contiguous()
    save(tmp_path / "x.jpg", ramp)
    assert (images.load(tmp_path / "x.jpg").x - ramp).abs().max() < 4 / 255
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=95)
    with Image.open(tmp_path / "x.jpg") as written, Image.open(buffer) as expected:
        assert written.quantization == expected.quantization


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_compressed_tiff(tmp_path, compression):
    image = Image.new("RGB", (16, 8), (255, 128, 0))
    image.save(tmp_path / "x.tif", compression=compression)
    assert np.allclose(images.load(tmp_path / "x.tif").x[0, :, 0, 0] * 255, [255, 128, 0], atol=3)


def test_tiff_with_separate_planes(tmp_path):
    array = noise(3, 6, 5, dtype="uint16")
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, array, photometric="rgb", planarconfig="separate", metadata=None)
    assert np.allclose(images.load(path).x[0] * 65535, array, atol=0.01)


@pytest.mark.parametrize("dtype", [">u2", ">f4", "float16", "bool"])
def test_numpy_types(tmp_path, dtype):
    array = (noise(5, 6) > 100).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    top = 65535 if dtype == ">u2" else 1
    image = images.load(tmp_path / "x.npy")
    assert np.allclose(image.x[0, 0] * top, array)
    save(tmp_path / "y.npy", image.x, like=image)


def test_rounding_is_to_the_nearest_and_clips(tmp_path):
    x = torch.tensor([[-1.0, 0.49 / 255, 0.5 / 255, 1.2, torch.inf]]).expand(1, 1, 5, 5)
    save(tmp_path / "x.npy", x, depth="uint8")
    assert np.load(tmp_path / "x.npy")[0].tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize(
    ("suffix", "like", "expected"),
    [
        (".png", None, "uint8"),
        (".png", "uint16", "uint16"),
        (".png", "float32", "uint16"),
        (".jpg", "uint16", "uint8"),
        (".tif", None, "float32"),
        (".tif", "uint8", "uint8"),
        (".tif", "float64", "float64"),
        (".npy", None, "float32"),
        (".npy", "float64", "float64"),
    ],
)
def test_the_depth_follows_the_model_as_far_as_the_format_goes(tmp_path, suffix, like, expected):
    model = images.Image(torch.zeros(1, 1, 4, 4), depth=like) if like else None
    save(tmp_path / f"x{suffix}", torch.rand(1, 1, 8, 8), like=model)
    assert images.load(tmp_path / f"x{suffix}").depth == expected


def broken(folder: Path, case: str) -> Path:
    path = folder / ("x.tif" if "tif" in case else "x.npy" if "npy" in case else "x.png")
    if case == "missing":
        return path
    if case == "suffix":
        path = folder / "x.xcf"
        path.write_bytes(b"gimp")
    elif case == "folder":
        path.mkdir()
    elif case.startswith("empty"):
        path.touch()
    elif case.startswith("text"):
        path.write_text("this is no image, but it is long enough for a header to be looked for")
    elif case == "truncated tif":
        tifffile.imwrite(path, noise(40, 40, 3), photometric="rgb")
        path.write_bytes(path.read_bytes()[:3000])
    elif case == "truncated png":
        Image.fromarray(noise(40, 40, 3)).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif case.endswith("png16"):
        with path.open("wb") as file:
            png16.encode(file, noise(20, 20, 3, dtype="uint16"))
        data = bytearray(path.read_bytes())
        if case == "damaged png16":
            data[200] ^= 1
        path.write_bytes(data[: 1000 if case == "truncated png16" else None])
    elif case == "cmyk":
        path = folder / "x.jpg"
        Image.new("CMYK", (8, 8)).save(path)
    elif case == "pages tif":
        tifffile.imwrite(path, noise(3, 20, 20), photometric="minisblack")
    elif case == "object npy":
        np.save(path, np.array([{}]), allow_pickle=True)
    elif case == "planes npy":
        np.save(path, np.zeros((3, 20, 20), np.float32))
    elif case == "number npy":
        np.save(path, np.float32(1))
    return path


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "There is no file"),
        ("suffix", "unknown"),
        ("folder", "is a folder"),
        ("empty png", "empty"),
        ("empty tif", "empty"),
        ("empty npy", "empty"),
        ("text png", "PNG image: its content is no image"),
        ("text tif", "TIF image"),
        ("text npy", "NPY image"),
        ("truncated png", "truncated"),
        ("truncated tif", "TIF image"),
        ("truncated png16", "ends too early"),
        ("damaged png16", "checksum"),
        ("cmyk", "colour mode is CMYK"),
        ("pages tif", r"3 images \(axes QYX.*solve x.tif -o OUT.tif restores each"),
        ("object npy", "NPY image"),
        ("planes npy", "3 images.*QYX"),
        ("number npy", "expected the shape"),
    ],
)
def test_bad_files_are_named_with_a_remedy(tmp_path, case, message):
    path = broken(tmp_path, case)
    with pytest.raises(MeasurementError, match=message) as caught:
        images.load(path)
    assert str(path) in str(caught.value) or path.name in str(caught.value)


def test_several_arrays_in_one_npz_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros((5, 5)), b=np.zeros((5, 5)))
    with pytest.raises(MeasurementError, match=r"2 arrays \(a, b\)"):
        images.load(tmp_path / "x.npz")


def test_an_existing_file_is_kept_unless_asked(tmp_path):
    path = tmp_path / "x.png"
    path.write_text("mine")
    with pytest.raises(MeasurementError, match=r"exists already.*--overwrite"):
        save(path, torch.zeros(1, 1, 4, 4))
    assert path.read_text() == "mine"
    save(path, torch.zeros(1, 1, 4, 4), overwrite=True)
    assert images.load(path).x.sum() == 0


@pytest.mark.parametrize(
    ("name", "x", "message"),
    [
        ("x.png", torch.zeros(1, 7, 4, 4), "1 or 3 channels.*npy"),
        ("x.png", torch.zeros(2, 1, 4, 4), "one image"),
        ("x.png", torch.full((1, 1, 4, 4), torch.nan), "NaN"),
        ("x.xyz", torch.zeros(1, 1, 4, 4), "unknown"),
        ("none/x.png", torch.zeros(1, 1, 4, 4), "does not exist"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, x, message):
    with pytest.raises(MeasurementError, match=message):
        save(tmp_path / name, x)
    assert list(tmp_path.iterdir()) == []


def test_a_depth_that_the_format_lacks_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="as float32; the format holds uint8, uint16"):
        save(tmp_path / "x.png", torch.zeros(1, 1, 4, 4), depth="float32")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), MeasurementError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_in_the_middle_leaves_the_old_file_alone(
    tmp_path, monkeypatch, failure, expected
):
    path = tmp_path / "x.png"
    path.write_text("old")

    def encode(file, *_, **__):
        file.write(b"half")
        raise failure

    monkeypatch.setattr(encoders, "encode", encode)
    with pytest.raises(expected):
        save(path, torch.zeros(1, 1, 4, 4), overwrite=True)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6), (2, 3, 5, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_keep_their_type(shape, dtype):
    x = images.to_tensor(torch.rand(shape, dtype=dtype))
    assert x.dtype == dtype
    assert x.shape == (1,) * (4 - len(shape)) + shape


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_integers_are_scaled(dtype, top):
    array = noise(5, 6, 3, dtype=dtype)
    expected = planes(array) / top
    assert np.allclose(images.to_tensor(array), expected)
    stacked = torch.from_numpy(array).permute(2, 0, 1)
    assert np.allclose(images.to_tensor(stacked), expected)
    assert images.to_tensor(torch.ones(3, 3, dtype=torch.bool)).sum() == 9


def test_paths_are_loaded(tmp_path):
    save(tmp_path / "x.npy", torch.ones(1, 1, 4, 4))
    assert images.to_tensor(str(tmp_path / "x.npy")).sum() == 16
    assert images.to_tensor(tmp_path / "x.npy").sum() == 16


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((3, 20, 20)), "last axis"),
        (np.zeros((1, 3, 20, 20)), "expected the shape"),
        (np.zeros((0, 5)), "expected the shape"),
        (torch.tensor(5.0), "must be"),
        (np.float32(5), "expected the shape"),
        (torch.zeros(0, 5), "not empty"),
        ([[1.0]], "got list"),
    ],
)
def test_what_is_no_image_is_refused(value, message):
    with pytest.raises(MeasurementError, match=message):
        images.to_tensor(value)


def test_metadata_warnings_do_not_stop_a_load(tmp_path, monkeypatch):
    save(tmp_path / "x.png", torch.ones(1, 1, 4, 4))
    opened = Image.open

    def noisy(*arguments, **options):
        warnings.warn("Corrupt EXIF data", UserWarning, stacklevel=1)
        return opened(*arguments, **options)

    monkeypatch.setattr(Image, "open", noisy)
    assert images.load(tmp_path / "x.png").x.sum() == 16
