"""JPEG compression: its noise, its fidelity and what a decoded picture tells, compared with Pillow."""

import io

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

import invprior
from invprior.errors import IncompatibleError, MeasurementError, OptionError
from invprior.fidelities.jpeg import Jpeg
from invprior.memory.tiles import divided
from invprior.metrics.psnr import PSNR
from invprior.noises.jpeg import JpegNoise
from invprior.numerics.jpeg import planes, tables
from invprior.solvers.adam import Adam
from invprior.stopping.holdout import Holdout
from invprior.stopping.max_steps import MaxSteps
from tests.operators.cases import rand

CAMERA = skimage.data.camera()[100:164, 200:264]
COFFEE = skimage.data.coffee()[100:164, 200:264]


def tensor(levels):
    x = torch.tensor(np.array(levels)).float() / 255
    return x[None, None] if x.dim() == 2 else x.permute(2, 0, 1)[None]


def by_pillow(levels, **options):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels)).save(file, "JPEG", **options)
    return tensor(np.asarray(Image.open(file)))


def drawn(x, **options):
    return JpegNoise(**options).sample(x, torch.Generator())


def test_the_tables_are_those_of_pillow():
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
        theirs = Image.open(file).quantization
        assert [theirs[k] for k in (0, 1)] == [t.flatten().tolist() for t in tables(quality)]


def test_the_noise_is_that_of_pillow():
    grey, colour = tensor(CAMERA[:37]), tensor(COFFEE[:50])
    assert torch.equal(drawn(grey, quality=30), by_pillow(CAMERA[:37], quality=30))
    for chroma, code in (("half", 2), ("full", 0)):
        theirs = by_pillow(COFFEE[:50], quality=30, subsampling=code)
        assert torch.equal(drawn(colour, quality=30, chroma=chroma), theirs)
    # Counts in their own unit, and values that a camera would clip.
    assert torch.allclose(
        drawn(4095 * grey, quality=30, white=4095), 4095 * drawn(grey, quality=30)
    )
    assert drawn(3 * grey - 1).aminmax() == (0, 1)
    with pytest.raises(IncompatibleError, match="pictures"):
        drawn(torch.zeros(1, 12))


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("chroma", ["half", "full"])
def test_the_maps_to_coefficients_are_orthogonal(channels, chroma):
    for height, width in ((33, 40), (16, 15), (1, 7)):
        x = rand((2, channels, height, width))
        for plane in planes(channels, chroma):
            found = plane.forward(x)
            other = rand(tuple(found.shape), 1)
            back = plane.adjoint(other, height, width)
            assert (found * other).sum() == pytest.approx(float((x * back).sum()))
            assert torch.allclose(plane.forward(back), plane.gain * other)


@pytest.mark.parametrize("quality", [9, 20, 50])
@pytest.mark.parametrize(("levels", "chroma"), [(CAMERA, None), (COFFEE, "full"), (COFFEE, "half")])
def test_the_true_picture_is_in_the_intervals(levels, chroma, quality):
    x = tensor(levels)
    y = drawn(x, quality=quality, chroma=chroma)
    estimate = Jpeg().estimate_noise(y, None)
    assert (estimate.quality, estimate.chroma) == (quality, chroma)
    fit = Jpeg(form="interval").with_noise(estimate)
    for part in fit._parts(y):
        apart = fit._apart(part.plane.forward(255 * x), part).abs()
        blocks = part.plane.blocks_of_file(y)[
            0
        ].numel()  # the details of chroma are not in the file
        # Encoders round colours and means of chroma to grey levels. A wrong transform is off by whole steps.
        assert apart[:, :blocks].max() < (0.1 if chroma is None else 1.0)
    assert fit.value(x, y) < 0.01 * fit.value((x + 0.1 * rand(tuple(x.shape), 2).float()), y)
    assert fit.value(y, y) < 0.01 * fit.value(y + 0.1, y)


@pytest.mark.parametrize("form", ["gaussian", "interval"])
@pytest.mark.parametrize("chroma", ["half", "full"])
def test_the_prox_of_colours_is_the_argmin(chroma, form):
    fit = Jpeg(quality=20, chroma=chroma, form=form)
    v, y = rand((1, 3, 19, 24)), rand((1, 3, 19, 24), 1)
    p = fit.prox(v, y, 1e-3)
    slope = 1e-3 * fit.gradient(p, y) + p - v
    assert slope.norm() <= 1e-3 * (p - v).norm()


def test_a_picture_that_is_none_of_jpeg_is_refused():
    x = tensor(CAMERA)
    y = drawn(x, quality=20)
    refused = pytest.raises(MeasurementError, match="changed in another way")
    for fit, picture in ((Jpeg(), x), (Jpeg(), y[..., 3:, 3:]), (Jpeg(quality=25), y)):
        with refused:
            fit.estimate_noise(picture, None)
    with pytest.raises(MeasurementError, match="quality=20"):
        Jpeg().estimate_noise(torch.full((1, 1, 32, 32), 0.5), None)
    with pytest.raises(IncompatibleError, match="every pixel"):
        invprior.build(y, operator="inpaint:keep=0.5", prior="tv", noise="jpeg")
    with pytest.raises(IncompatibleError, match="picture"):
        invprior.build(
            torch.rand(1, 1, 512), operator="subsample:size=[32,32],keep=0.5", noise="jpeg"
        )


def test_the_tables_of_a_file(tmp_path):
    own = [[min(3 * k + 9, 255) for k in range(64)]] * 2
    file = tmp_path / "own.jpg"
    Image.fromarray(COFFEE).save(file, qtables=own, subsampling=0)
    with pytest.raises(MeasurementError, match=r"file=picture\.jpg"):
        invprior.build(file, prior="tv", noise="jpeg")
    (problem,) = invprior.build(file, prior="tv", fidelity=f"jpeg:file={file}")
    assert problem.noise.text() == "JPEG, tables of a file, chroma 4:4:4"
    assert problem.fidelity.chroma == "full"
    Image.fromarray(COFFEE).save(file, subsampling=1)
    Image.fromarray(CAMERA).save(tmp_path / "grey.png")
    for name, text in (("own.jpg", "4:2:0"), ("grey.png", "JPEG file"), ("none.jpg", "none.jpg")):
        with pytest.raises(MeasurementError, match=text):
            Jpeg(file=tmp_path / name)
    with pytest.raises(OptionError, match="not both"):
        Jpeg(file=file, quality=3)


@pytest.mark.parametrize("levels", [CAMERA, skimage.data.coffee()[100:164, 200:264, 1]])
def test_tv_removes_artefacts(levels, tmp_path):
    file, x = tmp_path / "y.jpg", tensor(levels)
    Image.fromarray(np.ascontiguousarray(levels)).save(file, quality=20)
    found = invprior.solve(file, prior="tv:weight=10", noise="jpeg", steps=15)
    psnr = PSNR(data_range=(0, 1))
    assert float(psnr.measure(found.x, x)) > float(psnr.measure(tensor(Image.open(file)), x)) + 0.5
    assert found.provenance["fidelity"] == "jpeg:quality=20,form=gaussian,white=1.0"


def test_blocks_stay_together():
    y = drawn(tensor(skimage.data.coffee()[:96, :112]), quality=20)
    (problem,) = invprior.build(y, prior="dip", noise="jpeg")
    tiles, _ = divided(problem, tile=64, overlap=8)
    assert len(tiles) > 1
    assert all(t.box.top % 16 == t.box.left % 16 == 0 for t in tiles)
    assert isinstance(Adam().default_stop(problem), MaxSteps)
    with pytest.raises(IncompatibleError, match="max-steps"):
        Holdout().prepare(problem, torch.Generator())
    with pytest.raises(IncompatibleError, match="blocks of them"):
        invprior.solve(y, prior="tv", noise="jpeg", weight="holdout", steps=1)
    found = invprior.solve(
        y[..., :32, :32], prior="dip:preset=paper-jpeg", noise="jpeg:quality=20", steps=1
    )
    assert bool(found.x.isfinite().all())
