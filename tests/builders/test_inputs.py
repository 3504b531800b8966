"""Every form of a measurement that users hold: masked, deep, complex, of other libraries."""

import numpy as np
import pytest
import torch
from PIL import Image

import invprior
from invprior.builders.measurements import image_batch
from invprior.builders.problem import build
from invprior.errors import MeasurementError, OptionError


def plane(dtype=np.float64):
    values = np.random.default_rng(0).random((6, 5))
    return values.astype(dtype) if dtype(1.5) == 1.5 else (values * 200).astype(dtype)


class Labelled:
    """An array with named axes, as xarray's."""

    def __init__(self, values, dims, attrs=None):
        self.values, self.dims, self.attrs = values, dims, attrs or {}

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class Wrapped:
    """An array of another library, which numpy can read."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
@pytest.mark.parametrize("wrap", [lambda v: v, Wrapped])
def test_masked_entries_are_missing(dtype, wrap):
    values = plane(dtype)
    y = np.ma.masked_array(values.copy())
    y[2, 3] = -9999 if dtype is np.float32 else 77
    y[2, 3] = np.ma.masked
    batch = image_batch(wrap(y))
    expected = image_batch(values)
    expected[..., 2, 3] = float("nan")
    assert torch.equal(batch.nan_to_num(-1), expected.nan_to_num(-1))
    with pytest.raises(MeasurementError, match=r"1 of its 30 values are NaN.*nan=.mask"):
        build(wrap(y), prior="tikhonov")
    (problem,) = build(wrap(y), prior="tikhonov", nan="mask")
    assert problem.measurements == 29


def test_the_value_below_a_mask_changes_nothing():
    clean = plane()
    found = []
    for hidden in (-9999.0, 0.5):
        y = np.ma.masked_array(clean.copy(), mask=np.zeros((6, 5), bool))
        y.data[1, 1], y.mask[1, 1] = hidden, True
        found.append(invprior.solve(y, prior="tikhonov:weight=5", nan="mask", steps=20).x)
    assert torch.equal(*found)


def test_an_array_without_masked_entries_is_whole():
    assert torch.equal(image_batch(np.ma.masked_array(plane())), image_batch(plane()))


@pytest.mark.parametrize("suffix", [".npy", ".npz", None])
def test_float64_is_read_at_full_precision(tmp_path, suffix):
    y = plane() + 1e-12
    given = y
    if suffix is not None:
        given = tmp_path / f"y{suffix}"
        (np.save if suffix == ".npy" else np.savez)(given, y)
    batch = image_batch(given, dtype=torch.float64)
    assert np.array_equal(batch[0, 0].numpy(), y)
    assert image_batch(given).dtype == torch.float32
    assert np.array_equal(image_batch(given)[0, 0].numpy(), y.astype(np.float32))


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("form", ["array", "tensor", "file"])
def test_integers_are_scaled_at_full_precision(tmp_path, dtype, top, form):
    y = plane(dtype)
    given = {"array": y, "tensor": torch.from_numpy(y), "file": tmp_path / "y.npy"}[form]
    np.save(tmp_path / "y.npy", y)
    batch = image_batch(given, dtype=torch.float64)
    assert np.array_equal(batch[0, 0].numpy(), y.astype(np.float64) / top)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "F", "I;16"])
def test_pillow_images(mode):
    grey = Image.fromarray(plane(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(plane(np.uint16))
    else:
        image = (
            grey.convert("L") if mode in ("L", "F", "LA", "1") else grey.convert("RGB")
        ).convert(mode)
    batch = image_batch(image)
    channels = 3 if mode in ("P", "RGB", "RGBA") else 1
    assert tuple(batch.shape) == (1, channels, 6, 5)
    if mode == "I;16":
        assert torch.equal(batch, image_batch(plane(np.uint16)))
    elif mode in ("RGB", "RGBA", "L", "LA"):
        assert torch.equal(batch[:, :1], image_batch(plane(np.uint8)))


def test_a_pillow_image_stands_upright():
    image = Image.fromarray(plane(np.uint8))
    image.getexif()[274] = 6  # turned by 90 degrees
    assert tuple(image_batch(image).shape) == (1, 1, 5, 6)


def test_a_pillow_image_of_another_colour_space_is_refused():
    with pytest.raises(MeasurementError, match=r'colour mode is CMYK.*convert\("RGB"\)'):
        image_batch(Image.new("CMYK", (5, 6)))


def test_arrays_with_named_axes():
    values = np.random.default_rng(1).random((3, 6, 5)).astype(np.float32)
    batch = image_batch(Labelled(values, ("band", "y", "x")))
    assert np.array_equal(batch[0].numpy(), values)
    batch = image_batch(Labelled(values.transpose(2, 1, 0), ("x", "y", "band")))
    assert np.array_equal(batch[0].numpy(), values)
    batch = image_batch(Labelled(values[0].T, ("x", "y")))
    assert np.array_equal(batch[0, 0].numpy(), values[0])


def test_an_axis_that_is_none_of_an_image_has_one_entry():
    values = np.random.default_rng(1).random((1, 3, 6, 5)).astype(np.float32)
    batch = image_batch(Labelled(values, ("time", "band", "y", "x")))
    assert np.array_equal(batch[0].numpy(), values[0])
    with pytest.raises(MeasurementError, match='axis "time" of the array has 3 entries'):
        image_batch(Labelled(values[0], ("time", "y", "x")))


def test_the_fill_value_of_an_array_with_named_axes_is_missing():
    values = plane(np.float32)
    values[4, 4] = -9999
    batch = image_batch(Labelled(values, ("y", "x"), {"_FillValue": -9999.0}))
    assert batch.isnan().nonzero().tolist() == [[0, 0, 4, 4]]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("form", ["array", "tensor"])
def test_signed_and_wide_integers_keep_their_values(dtype, form):
    y = np.arange(30, dtype=dtype).reshape(6, 5) * 4
    given = y if form == "array" else torch.from_numpy(y)
    batch = image_batch(given, dtype=torch.float64)
    assert batch.dtype == torch.float64
    assert np.array_equal(batch[0, 0], y)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_images_keep_both_parts(dtype, y, tmp_path):
    given = y[:, :1].to(dtype) * (1 + 2j)
    array = given[0, 0].numpy()
    np.save(tmp_path / "y.npy", array)
    for form in (given, array, np.ma.masked_array(array), tmp_path / "y.npy"):
        for real in (torch.float32, torch.float64):
            found = image_batch(form, dtype=real)
            assert found.dtype == real.to_complex()
            assert torch.allclose(found, given.to(found))
    with pytest.raises(MeasurementError, match=r"complex(64|128).*as two channels"):
        invprior.solve(y, prior="tikhonov:weight=1", x0=y.to(dtype))


@pytest.mark.parametrize(
    ("x0", "message"),
    [
        (torch.zeros(1, 2, 6, 5, dtype=torch.complex64), "x0.*complex64"),
        (torch.full((1, 2, 6, 5), float("nan")), "x0 must be finite; 60 of its 60"),
    ],
)
def test_a_start_that_no_run_can_take_is_refused(y, x0, message):
    (problem,) = build(y, prior="tikhonov:weight=1")
    with pytest.raises(MeasurementError, match=message):
        next(invprior.iterate(problem, x0=x0))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "meta"}, '"device" must be a device that computes; got "meta"'),
        ({"device": "privateuseone"}, '"device" must be a device of this machine; got "privateuse'),
        ({"device": object()}, '"device" must be a device of this machine'),
        ({"dtype": torch.float16}, r'"dtype" must be torch.float32 .* got torch.float16'),
        ({"dtype": torch.bfloat16}, '"dtype" must be torch.float32'),
        ({"dtype": torch.float8_e5m2}, '"dtype" must be torch.float32'),
        ({"dtype": torch.int32}, '"dtype" must be torch.float32'),
        ({"dtype": "float32"}, r'"dtype" must be torch.float32 .* got \'float32\''),
    ],
)
def test_devices_and_types_that_cannot_hold_an_image_are_refused(options, told):
    with pytest.raises(OptionError, match=told):
        invprior.solve(plane(), prior="tikhonov", **options)


def test_a_tensor_without_values_is_refused():
    with pytest.raises(MeasurementError, match="must hold values"):
        invprior.solve(torch.empty(1, 1, 6, 5, device="meta"), prior="tikhonov")
    # A half tensor has values, and is computed in single precision.
    found = invprior.solve(torch.rand(6, 5).half(), prior="tikhonov:weight=1", steps=2)
    assert found.x.dtype == torch.float32
