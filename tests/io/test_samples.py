import pytest
import torch

from invprior import samples
from invprior.errors import MeasurementError
from invprior.io.save import save


@pytest.mark.parametrize("name", samples.names())
def test_every_sample_is_there_without_a_network(name, monkeypatch):
    import socket

    def offline(*_, **__):
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket, "socket", offline)
    x = samples.load(name).x
    assert x.shape[1] in (1, 3)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1


def test_the_default_is_a_small_colour_image():
    image = samples.resolve("sample:astronaut:256")
    assert image.x.shape == (1, 3, 256, 256)
    assert image.depth == "uint8"


@pytest.mark.parametrize(("name", "channels"), [("camera", 1), ("coffee", 3)])
def test_a_size_gives_a_square(name, channels):
    image = samples.load(name, 40)
    assert image.x.shape == (1, channels, 40, 40)
    assert abs(image.x.mean() - samples.load(name).x.mean()) < 0.05


def test_resolve_takes_samples_and_files(tmp_path):
    assert torch.equal(samples.resolve("sample:coins").x, samples.load("coins").x)
    assert torch.equal(samples.resolve("sample:coins:32").x, samples.load("coins", 32).x)
    save(tmp_path / "x.png", torch.ones(1, 1, 4, 4))
    assert samples.resolve(tmp_path / "x.png").x.sum() == 16
    assert samples.resolve(str(tmp_path / "x.png")).x.sum() == 16


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sample:astronout", 'did you mean "astronaut"'),
        ("sample:camera:big", 'got "big"'),
        ("sample:camera:9999", "from 1 to 512; got 9999"),
        ("sample:camera:0", "from 1 to 512"),
        ("astronaut", "There is no file"),
    ],
)
def test_wrong_names_are_refused(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MeasurementError, match=message):
        samples.resolve(source)
