"""Tests of operators of PyLops and SciPy, given as objects, as functions and by name."""

import numpy as np
import pylops
import pytest
import scipy.sparse
import torch
from invprior_pylops import Pylops
from scipy.sparse.linalg import aslinearoperator

import invprior
from invprior import IncompatibleError, OptionError, registry, samples
from invprior.testing import parametrize_checks


def smooth(image_shape):
    """Smooth each channel; the measurement has the image's size."""
    return pylops.Smoothing2D(nsmooth=(3, 3), dims=image_shape[1:])


def rows(image_shape):
    """Sum each row of the whole image: a matrix that knows no shape."""
    channels, height, width = image_shape
    return aslinearoperator(
        scipy.sparse.kron(scipy.sparse.eye(channels * height), np.ones((1, width)))
    )


def coarse(image_shape):
    """Keep every second row of each channel; PyLops knows both shapes."""
    return pylops.Restriction(image_shape[1:], np.arange(0, image_shape[1], 2), axis=0)


SIZE = (2, 12, 10)


@parametrize_checks(
    Pylops.from_options({"operator": smooth}),
    *(Pylops(SIZE, operator=make, image=SIZE) for make in (smooth, rows, coarse)),
)
def test_pylops(check):
    check()


def test_it_equals_pylops():
    operator = smooth((2, 6, 5))
    x = torch.rand((3, 2, 6, 5), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = Pylops((2, 6, 5), operator=operator)(x)
    expected = [[operator @ channel.numpy() for channel in image] for image in x]
    assert np.array_equal(y.numpy(), np.array(expected))


@pytest.mark.parametrize(
    ("make", "shape"), [(smooth, (2, 6, 5)), (rows, (1, 1, 12)), (coarse, (2, 3, 5))]
)
def test_shapes_of_measurements_and_images(make, shape):
    assert Pylops((2, 6, 5), operator=make).measurement_shape == shape
    assert Pylops.image_shape_for(shape, operator=make, image=(2, 6, 5)) == (2, 6, 5)


def test_the_image_shape_is_known_to_pylops_or_must_be_given():
    assert Pylops.image_shape_for((2, 3, 5), operator=coarse((1, 6, 5))) == (2, 6, 5)
    assert Pylops.image_shape_for((2, 6, 5), operator=smooth) == (2, 6, 5)
    with pytest.raises(OptionError, match=r'"image" .* \(1, 1, 12\); none was given'):
        Pylops.image_shape_for((1, 1, 12), operator=rows)
    with pytest.raises(OptionError, match=r"got \(2, 7, 5\)"):
        Pylops.image_shape_for((1, 1, 12), operator=rows, image=(2, 7, 5))


def test_it_restores_by_its_registered_name(tmp_path, monkeypatch):
    """The operator is in a module of the current folder, as a user would write it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    (tmp_path / "my_smoothing.py").write_text(
        "import pylops\ndef smooth(s): return pylops.Smoothing2D(nsmooth=(3, 3), dims=s[1:])\n"
    )
    truth = samples.load("camera", 24).x
    text = "pylops:operator=my_smoothing:smooth"
    y, operator = invprior.simulate(truth, operator=text, noise="gaussian:sigma=0.02")
    solution = invprior.solve(y, operator=text, prior="tv:weight=5", steps=20)
    assert (solution.x - truth).square().mean() < 0.8 * (y - truth).square().mean()
    assert str(registry.describe(operator)) == f"invprior-pylops/{text}"
    assert solution.provenance["plugins"] == {"invprior-pylops": "0.1.0"}


@pytest.mark.parametrize(
    ("operator", "error", "message"),
    [
        ("no_such_module:x", OptionError, "No module named 'no_such_module'"),
        ("numpy:no_such_object", OptionError, "no attribute 'no_such_object'"),
        ("numpy", OptionError, "must be module:object"),
        (lambda shape: np.eye(30), OptionError, "got ndarray. SciPy's aslinearoperator"),
        (lambda shape: pylops.Identity(30, dtype="complex128"), OptionError, "VStack"),
        (pylops.Identity(7), IncompatibleError, r"takes 7 values; an image \(1, 6, 5\) has 30"),
    ],
)
def test_wrong_operators_are_refused(operator, error, message):
    with pytest.raises(error, match=message):
        Pylops((1, 6, 5), operator=operator)
