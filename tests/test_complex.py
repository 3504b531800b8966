"""No function that takes data loses an imaginary part: each handles it, or says that it takes real values."""

import inspect

import numpy as np
import pytest
import torch

import invprior
from invprior import registry
from invprior.errors import IncompatibleError, MeasurementError
from invprior.fidelities.gaussian import Gaussian
from invprior.io.display import Window, window_of
from invprior.io.encoders import DEPTHS
from invprior.networks.skip import Skip
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.noise_estimation.poisson import estimate_poisson
from invprior.numerics.box import Box
from invprior.operators.base import Compose, LinearOperator, Recipe
from invprior.operators.blur import Blur
from invprior.operators.fourier import Fourier
from invprior.priors.dip import DIP
from invprior.priors.none import NoPrior
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.tv import TV
from invprior.priors.wavelet import Wavelet
from invprior.problem.complex_terms import in_parts
from invprior.problem.functionals import as_prior
from invprior.problem.problem import Problem
from invprior.registry.plugin import Plugin

Z = torch.complex(torch.linspace(0, 1, 256), torch.linspace(1, 0, 256)).view(1, 1, 16, 16)
TURN = torch.exp(torch.tensor(0.7j, dtype=torch.complex128))  # a constant phase


class Spectrum(LinearOperator):
    def __init__(self, image_shape):
        super().__init__(image_shape)

    def forward(self, x):
        return torch.fft.fft2(x, norm="ortho")


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.complex128)


def refused(call, *arguments, **options):
    with pytest.raises(MeasurementError, match=r"real|magnitude") as caught:
        call(*arguments, **options)
    assert "complex" in str(caught.value)
    assert "two channels" in str(caught.value)  # what to do


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_parts_that_take_real_data_refuse(dtype, tmp_path):
    z, x = Z.to(dtype), Z.real
    array = tmp_path / "z.npy"
    np.save(array, z[0, 0].numpy())
    for given in (z, z[0, 0].numpy(), array, str(array)):
        for call in (invprior.solve, invprior.build):
            refused(call, given, prior="box:low=0")
            refused(call, given, prior="tikhonov", operator="blur:sigma=1")
            refused(call, given, prior="tikhonov", noise="poisson")
        refused(invprior.simulate, given, operator="blur:sigma=1", noise="gaussian")
        refused(invprior.simulate, given, operator="denoise", noise="poisson")
    refused(invprior.simulate, x, operator=Spectrum((1, 16, 16)), noise="gaussian")
    refused(invprior.solve, x, prior="tikhonov:weight=1", x0=z)
    refused(invprior.simulate, x, operator="fourier", noise="salt-and-pepper")
    with pytest.raises(IncompatibleError, match="clip"):
        invprior.simulate(x, operator="fourier", noise="gaussian:clip=true")
    for estimate in (estimate_gaussian, estimate_poisson):
        refused(estimate, z)
    blurred = Compose((1, 16, 16), operators=(Recipe(Blur), Recipe(Fourier)))
    refused(invprior.simulate, x, operator=blurred, noise="gaussian")


@pytest.mark.parametrize("suffix", DEPTHS)
def test_files(suffix, tmp_path):
    path = tmp_path / f"z{suffix}"
    refused(invprior.save_stack, path, [Z.real, Z])
    if suffix not in (".npy", ".npz"):
        refused(invprior.save, path, Z)
        assert not list(tmp_path.iterdir())
        return
    for dtype, kept in ((torch.complex64, "float32"), (torch.complex128, "float64")):
        z = Z.to(dtype).expand(1, 3, 16, 16)
        invprior.save(path, z, overwrite=True)
        found = invprior.load(path, getattr(torch, kept))
        assert torch.equal(found.x, z)
        assert found.x.dtype == z.dtype
        assert found.depth == str(dtype).removeprefix("torch.")
        refused(invprior.save, tmp_path / "z.png", found.x)


def test_pictures_show_the_magnitude():
    assert window_of(100 * Z) == window_of(100 * Z.abs())
    assert torch.equal(Window(0, 2)(Z), Window(0, 2)(Z.abs()))


PLUGINS = [
    e
    for g in ("noises", "metrics", "denoisers", "fidelities", "priors")
    for e in registry.entries(g)
    if e.package == registry.CORE
]


OPTIONS = {"box": "box:low=0", "fidelities/gaussian": "gaussian:sigma=0.5"}


@pytest.mark.parametrize("entry", PLUGINS, ids=lambda e: f"{e.group}-{e.name}")
def test_methods_of_plugins(entry):
    cls = registry.load(entry)
    group = entry.group.removeprefix("invprior.")
    text = OPTIONS.get(entry.name, OPTIONS.get(f"{group}/{entry.name}", entry.name))
    made = registry.create(entry.group, text)
    tried = 0
    guarded = getattr(cls, "real_methods", ()) or getattr(cls, "magnitude_methods", ())
    for name in guarded or ("denoise",):
        method = getattr(made, name, None)
        if method is None:
            continue
        _, *taken = inspect.signature(getattr(cls, name)).parameters.values()
        names = [p.name for p in taken if "Tensor" in str(p.annotation)]
        others = {
            p.name: torch.Generator() if p.name == "generator" else 0.1
            for p in taken
            if p.name not in names
        }
        for place in names:
            tensors = {n: Z if n == place else Z.real for n in names}
            if group == "metrics":
                magnitudes = {n: value.abs() for n, value in tensors.items()}
                assert torch.equal(method(**tensors), method(**magnitudes))
            elif made.takes_complex or group == "denoisers":
                keeps_the_phase(method, names, others)
            else:
                refused(method, **tensors, **others)
            tried += 1
    assert tried or entry.name in ("none", "dip")


def keeps_the_phase(method, names, others):
    """A constant phase of the tensors turns a result or leaves it: a lost imaginary part would do neither."""
    if "generator" in others:  # random: see test_noise_is_circular
        return
    z = {name: random(1, 1, 16, 16, seed=seed) for seed, name in enumerate(names)}
    found = method(**z, **others)
    turned = method(**{name: TURN * value for name, value in z.items()}, **others)
    if found is None or isinstance(found, float):
        assert turned == (None if found is None else pytest.approx(found))
        return
    assert torch.allclose(turned, TURN * found if found.is_complex() else found)


def test_classes_say_so_for_themselves():
    class Mine(invprior.Metric):
        def measure(self, x, truth):
            return (x.float() - truth).abs().mean((1, 2, 3))

    class Complex(invprior.Metric):
        takes_complex = True

        def measure(self, x, truth):
            return (x - truth).abs().mean((1, 2, 3))

    class Derived(TV):
        pass

    class Smoother(TV):
        def prox(self, v, tau):
            return v.real

    assert isinstance(Mine, Plugin)
    assert float(Mine().measure(1j * Z, Z)) == 0  # of equal magnitude
    assert float(Complex().measure(1j * Z, Z)) > 0.5
    assert Mine.measure.__name__ == "measure"
    for cls in (Derived, Smoother):  # a derived class may have been written for real images
        refused(cls().prox, Z, 0.1)


@pytest.mark.parametrize("name", ["bilateral", "nlm", "nl-ridge", "tv", "wavelet"])
def test_denoisers_see_both_parts_at_once(name):
    """Noise of sigma in both parts is removed as well as part by part or better, in colours as in one channel."""
    denoiser = registry.create("denoisers", name)
    clean = torch.zeros(1, 1, 24, 24, dtype=torch.complex128)
    clean[..., 6:18, 8:] = 0.6 + 0.3j
    noisy = clean + 0.1 * random(*clean.shape) * 2**0.5  # torch halves the variance of each part
    found = denoiser.denoise(noisy, 0.1)
    apart = torch.complex(denoiser.denoise(noisy.real, 0.1), denoiser.denoise(noisy.imag, 0.1))
    errors = [float((x - clean).abs().square().mean()) for x in (found, apart, noisy)]
    assert errors[0] < 1.05 * errors[1]
    assert errors[0] < 0.3 * errors[2]
    colours = torch.cat([noisy, 1j * noisy, -noisy], 1)
    assert denoiser.denoise(colours, 0.1).shape == colours.shape


PRIORS = [
    *(TV(kind=kind, gap=1e-5) for kind in ("vectorial", "isotropic", "anisotropic")),
    Wavelet(),
    Wavelet(kind="l0"),
    Wavelet(translation_invariant=True),
    Tikhonov(),
    Tikhonov(order=0),
    NoPrior(),
]


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_the_prox_of_complex_images(prior):
    v, tau = random(2, 2, 8, 9), 0.3

    def energy(x):
        return tau * prior.value(x) + 0.5 * (x - v).abs().square().flatten(1).sum(1)

    x = prior.prox(v, tau)
    for seed in range(1, 4):
        assert bool((energy(x + 0.02 * random(*v.shape, seed=seed)) > energy(x)).all())
    assert torch.allclose(prior.prox(TURN * v, tau), TURN * x)
    of_reals = prior.prox(v.real + 0j, tau)
    assert torch.allclose(of_reals, prior.prox(v.real, tau) + 0j)
    assert torch.allclose(prior.value(v.real + 0j), prior.value(v.real))


@pytest.mark.parametrize("prior", [Wavelet(), Tikhonov(), Tikhonov(order=0)], ids=repr)
def test_degrees_of_freedom_of_complex_images(prior):
    v = torch.view_as_real(random(1, 1, 6, 4)).contiguous()

    def prox(parts):
        return torch.view_as_real(prior.prox(torch.view_as_complex(parts), 0.5))

    derivative = torch.autograd.functional.jacobian(prox, v).reshape(48, 48)
    assert float(derivative.trace()) == pytest.approx(
        prior.degrees_of_freedom(torch.view_as_complex(v), 0.5)
    )


def test_noise_is_circular():
    noise = registry.create("noises", "gaussian:sigma=0.3")
    z = noise.sample(torch.zeros(1, 1, 200, 200, dtype=torch.complex64), torch.Generator())
    for part in (z.real, z.imag):
        assert float(part.std()) == pytest.approx(0.3, rel=0.02)
    assert abs(float((z.real * z.imag).mean())) < 0.002
    # Simulated, estimated and used alike.
    (problem,) = invprior.build(1 + z, operator="denoise", prior="tikhonov")
    assert problem.noise_level == pytest.approx(0.3, rel=0.05)
    assert problem.measurements == 2 * 200 * 200
    run = problem.standardised
    assert run.noise_level * run.units.scale == pytest.approx(problem.noise_level)
    assert run.measurements == problem.measurements


@pytest.mark.parametrize("operator", ["denoise", "inpaint:keep=0.7", "fourier:acceleration=1.5"])
def test_a_run_keeps_both_parts(operator, tmp_path):
    truth = (torch.linspace(0, 1, 256).view(1, 1, 16, 16) * TURN).to(torch.complex64)
    scan = {"operator": operator, "noise": "gaussian:sigma=0.01"}
    y, made = invprior.simulate(truth, **scan)
    y[..., 8, 10] = complex("nan")
    seen = []
    options = {"prior": "tikhonov:weight=9", "nan": "mask", "noise": scan["noise"], "steps": 30}
    both, start = torch.cat([y, 1j * y]), torch.cat([truth, 1j * truth])
    found = invprior.solve(both, operator=made, x0=start, callbacks=[seen.append], **options)
    assert torch.allclose(found.x[0], truth[0], atol=0.1)
    assert torch.allclose(found.x[1], 1j * found.x[0], atol=0.01)
    assert all(now.x.dtype == torch.complex64 and now.x.shape == truth.shape for now in seen)
    assert found.to_numpy().dtype == np.complex64
    assert found.provenance["image_shape"] == [1, 16, 16]
    del options["prior"]
    restored = invprior.restore.tikhonov(y, operator=made, weight=9.0, **options)
    assert restored.dtype == found.x.dtype if torch.is_tensor(restored) else np.complex64
    found.save(tmp_path / "x.npy")
    found.plot(truth)
    assert "image" in found._repr_html_()
    assert found.images[0].to_pil().size == (16, 16)
    refused(found.save, tmp_path / "x.png")


SMALL = "net=skip(down=[16,32],skip=[8,8]),members=1,lr=0.02,average=0.9"


@pytest.mark.parametrize(
    ("prior", "sigma", "steps", "gain"),
    [("pnp", 0.02, 4, 1), ("red", 0.02, 12, 0.7), (f"dip:{SMALL}", 0.12, 40, 1.5)],
)
def test_coils_are_combined_better_than_by_zero_filling(prior, sigma, steps, gain):
    down, across = torch.meshgrid(*2 * [torch.linspace(-1, 1, 24)], indexing="ij")
    flat = torch.where(down.square() + 2 * across.square() < 0.6, 0.7, 0.0)
    flat[8:16, 10:] *= 0.5
    truth = (flat * torch.exp(1j * (2 * down * across + across)))[None, None]
    angles = torch.pi / 2 * torch.arange(4)[:, None, None]
    maps = torch.exp(-((down - angles.cos()) ** 2) - (across - angles.sin()) ** 2 + 1j * angles)
    maps = maps / maps.abs().square().sum(0).sqrt()
    noise = f"gaussian:sigma={sigma}"
    y, scanner = invprior.simulate(
        truth, operator=Recipe(Fourier, {"acceleration": 2, "coils": maps}), noise=noise
    )
    options = {"operator": scanner, "noise": noise, "weight": "default", "steps": steps}
    x = invprior.solve(y, prior=prior, **options).x
    zero_filled = scanner.adjoint(y)
    errors = [float((z - truth).abs().square().mean()) for z in (x, zero_filled)]
    assert 10 * np.log10(errors[1] / errors[0]) > gain


def test_a_network_makes_parts_in_all_four_quadrants():
    turns = torch.exp(torch.tensor(1j) * torch.linspace(-3, 3, 256)).view(1, 1, 16, 16)
    y = turns + 0.05 * random(1, 1, 16, 16)
    scan = {"operator": "denoise", "noise": "gaussian:sigma=0.05", "steps": 40}
    tiny = "net=skip(down=[8,8],skip=[8,8]),lr=0.03,average=0.9"
    found = invprior.solve(y, prior=f"dip:{tiny}", stop="max-steps", **scan)
    assert float((found.x - turns).abs().square().mean().sqrt()) < 0.4
    assert ("input", "measurement") in [choice[:2] for choice in found.choices]
    assert not any("end of its range" in note for note in found.notes)
    with pytest.raises(IncompatibleError, match="parts of complex"):
        invprior.solve(y, prior=f"dip:{tiny}", stop="self-reference:copies=channels", **scan)


def test_the_networks_of_parts_are_those_of_the_prior():
    prior = DIP(net=Skip(down=(4,), up=(4,)), guide=Z)
    both, generator = in_parts(prior), torch.Generator().manual_seed(0)
    assert prior.channels == 2  # a complex guide shows both parts
    x0 = torch.zeros(1, 4, 16, 16)
    alone = prior.build(x0, torch.Generator().manual_seed(0))().detach()
    assert torch.allclose(both.build(x0, generator)(), 1.5 * (2 * alone - 1))
    assert all(type(leaner) is type(both) for leaner in both.leaner(x0.device))
    assert both.restrict(Box(0, 0, 8, 8)).base._guide.shape == (1, 2, 8, 8)
    assert registry.describe(both) == registry.describe(prior)
    assert (both.members, both.steps, both.input_size(9, 9)) == (2, 1500, prior.input_size(9, 9))
    # Undersampled k-space shows aliasing, so it is no input; with all of it known, it is one.
    for acceleration, source in ((2.0, False), (1.0, True)):
        scan = Recipe(Fourier, {"acceleration": acceleration})((1, 16, 16))
        y = scan(Z) + 0.1 * random(1, 1, 1, 16, 16).to(torch.complex64)
        problem = Problem(scan, y, as_prior(DIP()), Gaussian(sigma=0.1)).standardised
        found = problem.conditioned().reparameterization
        assert (found is not problem.reparameterization) is source
        assert bool(found.choices) is source
