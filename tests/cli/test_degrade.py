"""`invprior degrade`."""

import numpy as np
import pytest
from PIL import Image

from invprior.builders.simulation import simulate
from invprior.io import images


@pytest.mark.parametrize("name", ["m.npy", "m.npz", "m.tif"])
def test_without_loss(run, y, name):
    out = run("degrade", y, "-o", name, "--operator", "blur:boundary=valid", "--seed", 2).stdout
    noise = "gaussian:sigma=0.01"
    expected, operator = simulate(y, operator="blur:boundary=valid", noise=noise, seed=2)
    assert (images.load(name).x == expected).all()
    height, width = operator.measurement_shape[1:]
    assert f"{height} x {width} measurement in {name}" in out
    assert noise in out


def test_eight_bits_give_a_warning(run, y):
    result = run("degrade", y, "-o", "m.png", "--quiet")
    assert result.stdout == ""
    assert "m.png rounds its values and clips" in result.stderr


def test_brackets_are_not_markup(run, y):
    text = "compose:operators=[blur(sigma=1.0),downsample(factor=2)]"
    assert text in run("degrade", y, "-o", "m.npy", "--operator", text).stdout


def test_alpha_is_kept_or_refused(run, refused):
    values = np.random.default_rng(0).integers(0, 256, (12, 13, 4), np.uint8)
    Image.fromarray(values).save("a.png")
    message = refused("degrade", "a.png", "-o", "m.npy")
    assert 'a NPY file cannot hold the alpha channel of "a.png"' in message
    run("degrade", "a.png", "-o", "m.tif")
    alpha = images.load("m.tif").alpha[0, 0].numpy()
    assert np.allclose(alpha, values[..., 3] / 255, atol=1e-6)


def test_existing_file(run, refused, y):
    message = refused("degrade", y, "-o", y)
    assert f'"{y}" exists already and is kept' in message
    assert "--overwrite" in message
    run("degrade", y, "-o", "m.npy", "--seed", 1)
    first = np.load("m.npy")
    run("degrade", y, "-o", "m.npy", "--seed", 2, "--overwrite")
    assert not np.array_equal(np.load("m.npy"), first)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing.png", "-o", "m.npy"], 'no file "nothing.png"'),
        (["sample:astronot", "-o", "m.npy"], 'did you mean "astronaut"?'),
        (["y.png", "-o", "no/m.npy"], 'the folder "no" does not exist'),
        (["y.png", "-o", "m.gif"], "must end in .png"),
        (["y.png", "-o", "m.npy", "--operator", "blur:sigma=-1"], "sigma"),
        (["y.png", "-o", "m.npy", "--noise", "gauss"], 'did you mean "gaussian"?'),
    ],
)
def test_bad_input(refused, y, arguments, expected):
    assert expected in refused("degrade", *arguments)
