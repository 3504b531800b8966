"""No function that takes data loses an imaginary part: each handles it, or says that it takes real values."""

import inspect

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import invprior
from invprior import registry
from invprior.cli.app import app
from invprior.errors import MeasurementError
from invprior.io.display import Window, window_of
from invprior.io.encoders import DEPTHS
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.noise_estimation.poisson import estimate_poisson
from invprior.operators.base import LinearOperator
from invprior.registry.plugin import Plugin

Z = torch.complex(torch.linspace(0, 1, 256), torch.linspace(1, 0, 256)).view(1, 1, 16, 16)


class Spectrum(LinearOperator):
    def __init__(self, image_shape):
        super().__init__(image_shape)

    def forward(self, x):
        return torch.fft.fft2(x, norm="ortho")


def refused(call, *arguments, **options):
    with pytest.raises(MeasurementError, match=r"real|magnitude") as caught:
        call(*arguments, **options)
    assert "complex" in str(caught.value)
    assert "two channels" in str(caught.value)  # what to do


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_data_in_python(dtype, tmp_path):
    z, x = Z.to(dtype), Z.real
    array = tmp_path / "z.npy"
    np.save(array, z[0, 0].numpy())
    for given in (z, z[0, 0].numpy(), array, str(array)):
        for call in (invprior.solve, invprior.build):
            refused(call, given, prior="tikhonov")
        refused(invprior.simulate, given, operator="denoise", noise="gaussian")
    refused(invprior.simulate, x, operator=Spectrum((1, 16, 16)), noise="gaussian")
    refused(invprior.solve, x, prior="tikhonov:weight=1", x0=z)
    for load in (invprior.load, invprior.load_stack):
        refused(load, array)
    for estimate in (estimate_gaussian, estimate_poisson):
        refused(estimate, z)


@pytest.mark.parametrize("suffix", DEPTHS)
def test_files(suffix, tmp_path):
    refused(invprior.save, tmp_path / f"z{suffix}", Z)
    refused(invprior.save_stack, tmp_path / f"z{suffix}", [Z.real, Z])
    assert not list(tmp_path.iterdir())


def test_pictures_show_the_magnitude():
    assert window_of(100 * Z) == window_of(100 * Z.abs())
    assert torch.equal(Window(0, 2)(Z), Window(0, 2)(Z.abs()))


PLUGINS = [
    e
    for g in ("noises", "metrics", "denoisers", "fidelities", "priors")
    for e in registry.entries(g)
    if e.package == registry.CORE
]


@pytest.mark.parametrize("entry", PLUGINS, ids=lambda e: f"{e.group}-{e.name}")
def test_methods_of_plugins(entry):
    cls = registry.load(entry)
    made = registry.create(entry.group, "box:low=0" if entry.name == "box" else entry.name)
    tried = 0
    for name in cls.real_methods:
        method = getattr(made, name, None)
        if method is None:
            continue
        _, *taken = inspect.signature(getattr(cls, name)).parameters.values()
        for place in [p.name for p in taken if "Tensor" in str(p.annotation)]:
            tensors = {
                p.name: Z if p.name == place else Z.real
                for p in taken
                if "Tensor" in str(p.annotation)
            }
            others = {
                p.name: torch.Generator() if p.name == "generator" else 0.1
                for p in taken
                if p.name not in tensors
            }
            refused(method, **tensors, **others)
            tried += 1
    assert tried or entry.name in ("none", "dip")


def test_a_plugins_own_class_is_guarded():
    class Mine(invprior.Metric):
        def measure(self, x, truth):
            return (x.float() - truth).abs().mean((1, 2, 3))

    assert isinstance(Mine, Plugin)
    refused(Mine().measure, Z, Z.real)
    assert Mine.measure.__name__ == "measure"


def test_commands(tmp_path):
    array = tmp_path / "z.npy"
    np.save(array, Z[0, 0].numpy())
    for command in (
        ["degrade", str(array), "-o", str(tmp_path / "y.npy")],
        ["solve", str(array), "-o", str(tmp_path / "x.npy"), "--prior", "tikhonov"],
        ["solve", str(array), "-o", str(tmp_path / "x.npy"), "--simulate", "--prior", "tikhonov"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        assert "complex64" in result.output
    assert [p.name for p in tmp_path.iterdir()] == ["z.npy"]
