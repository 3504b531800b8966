"""Every prior restores a signal, real or complex, and beats what one has without a prior."""

import functools

import numpy as np
import pytest
import torch

import invprior

N = 256
PROBLEMS = {
    "denoise": ("denoise", 0.05),
    "blur": ("blur:sigma=5", 0.01),
    "inpaint": ("inpaint:keep=0.5", 0.02),
    "fourier": ("fourier:acceleration=2,seed=1", 0.05),
}
PRIORS = (
    "tikhonov",
    "tv",
    "wavelet",
    "pnp",
    "pnp:denoiser=wavelet",
    "red",
    "dip:net=skip(down=[16,32],up=[16,32],skip=4),members=1",
)
STEPS = {"dip": 100, "tv": 60}  # bounds; the others end by themselves


def spectrum(n=N):
    """Four lines of different widths, from 0 to 1."""
    t = np.linspace(0, 1, n)
    lines = [(0.2, 0.02, 1.0), (0.35, 0.008, 0.7), (0.6, 0.05, 0.5), (0.8, 0.012, 0.9)]
    return sum(
        height * width**2 / ((t - centre) ** 2 + width**2) for centre, width, height in lines
    )


@functools.cache
def measured(problem, kind):
    """The true signal, its measurement, the operator, and the scores of what one has without a prior."""
    text, sigma = PROBLEMS[problem]
    truth = spectrum()
    if kind == "complex":
        truth = truth * np.exp(3j * np.linspace(0, 1, N))
    noise = f"gaussian:sigma={sigma}"
    y, operator = invprior.simulate(truth, operator=text, noise=noise, seed=1)
    (problem_,) = invprior.build(y, operator=operator, prior="none", noise=noise)
    naive = [y] if y.shape == (1, 1, 1, N) else []
    # A damped inverse of a blur is smooth, which suits lines better than tv does.
    naive += [] if problem == "blur" else [problem_.pseudo_inverse()]
    return truth, y, operator, max(score(one.flatten().numpy(), truth) for one in naive)


def score(x, truth):
    return -10 * np.log10(np.square(np.abs(x - truth)).mean())


def solved(problem, kind, prior):
    _, y, operator, _ = measured(problem, kind)
    given = y.flatten() if y.dim() == 4 else y
    options = {"weight": "default", "steps": STEPS.get(prior.partition(":")[0])}
    return invprior.solve(
        given,
        operator=operator,
        prior=prior,
        noise=f"gaussian:sigma={PROBLEMS[problem][1]}",
        **options,
    )


# blur takes real signals only.
KINDS = [(p, "real") for p in PROBLEMS] + [(p, "complex") for p in PROBLEMS if p != "blur"]
QUICK = [("denoise", "real"), ("fourier", "complex")]  # for a network, which takes seconds
CASES = [
    pytest.param(*kind, prior, marks=[pytest.mark.slow] * ("dip" in prior and kind not in QUICK))
    for prior in PRIORS
    for kind in KINDS
]


@pytest.mark.parametrize(("problem", "kind", "prior"), CASES)
def test_beats_no_prior(problem, kind, prior):
    truth, y, _, naive = measured(problem, kind)
    found = solved(problem, kind, prior)
    assert found.x.shape == (1, 1, 1, N)
    x = found.to_numpy().ravel()
    if y.dim() == 4:
        assert found.to_numpy().shape == (N,)
    assert np.iscomplexobj(x) == (kind == "complex" or problem == "fourier")
    assert np.isfinite(x).all()
    reached = score(x, truth)
    assert reached > naive, (
        f"{prior} on {problem}: {reached:.2f} dB, without a prior {naive:.2f} dB"
    )


@pytest.mark.parametrize("length", [8, 13, 100])
@pytest.mark.parametrize("prior", PRIORS)
def test_any_length_is_solved(length, prior):
    y = spectrum(length) + 0.05 * np.random.default_rng(0).standard_normal(length)
    found = invprior.solve(y, prior=prior, noise="gaussian:sigma=0.05", weight="default", steps=3)
    assert found.to_numpy().shape == (length,)
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("prior", PRIORS)
def test_a_spectrum_of_2048_points(prior):
    truth = spectrum(2048)
    y = truth + 0.05 * np.random.default_rng(0).standard_normal(2048)
    steps = STEPS.get(prior.partition(":")[0])
    found = invprior.solve(y, prior=prior, steps=steps)
    assert score(found.to_numpy(), truth) > score(y, truth) + 3


@pytest.mark.parametrize("undecimated", [False, True])
def test_wavelets_are_those_of_one_dimension(undecimated):
    """The transform of a row is that of the signal, as PyWavelets makes it."""
    import pywt

    from invprior.numerics.wavelets import WaveletTransform, load_filters

    y = torch.from_numpy(spectrum(64))[None, None, None]
    transform = WaveletTransform(load_filters("db4"), (0, 3), undecimated)
    low, details = transform.analysis(y)
    if undecimated:
        expected = pywt.swt(y.flatten().numpy(), "db4", level=3, norm=True, trim_approx=True)
    else:
        expected = pywt.wavedec(y.flatten().numpy(), "db4", mode="periodization", level=3)
    for band, other in zip((low, *reversed(details)), expected, strict=True):
        assert band.shape[-2] == 1
        assert np.allclose(band.flatten().sort().values, np.sort(other), atol=1e-10)
    assert torch.allclose(transform.synthesis(low, details), y, atol=1e-12)
