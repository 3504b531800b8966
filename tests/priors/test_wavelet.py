import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.errors import IncompatibleError, OptionError
from invprior.priors.wavelet import Wavelet, _analysis_prox

OPTIONS = [
    {"wavelet": "db2"},
    {"wavelet": "bior2.2"},
    {"wavelet": "haar", "translation_invariant": True},
    {"wavelet": "db2", "levels": 1, "translation_invariant": True},
]
options = pytest.mark.parametrize("options", OPTIONS, ids=str)


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def energy(prior, x, v, tau):
    return tau * prior.value(x) + 0.5 * (x - v).square().flatten(1).sum(1)


@options
@pytest.mark.parametrize("shape", [(2, 1, 5, 6), (1, 3, 4, 4)])
def test_prox_minimises_the_energy(options, shape):
    """Subgradient descent does not get below its energy, which is within the gap."""
    prior, v, tau = Wavelet(**options), random(*shape), 0.1
    found = energy(prior, prior.prox(v, tau), v, tau)
    x = v.clone().requires_grad_()
    best = energy(prior, v, v, tau)
    for step in range(1, 300):  # subgradient descent with a strongly convex step: rate 1 / steps
        value = energy(prior, x, v, tau)
        (slope,) = torch.autograd.grad(value.sum(), x)
        best = torch.minimum(best, value.detach())
        x = (x - 2.0 / (step + 1) * slope).detach().requires_grad_()
    assert (found <= best * (1 + 2e-4)).all()
    assert (found >= best * (1 - 2e-2)).all()  # the descent came near, so the test is sharp


def test_l0_prox_beats_every_choice_of_one_coefficient():
    prior, v, tau = Wavelet(wavelet="haar", levels=1, kind="l0"), random(1, 1, 4, 4), 0.01
    found = prior.prox(v, tau)
    low, details = prior._transform(v).analysis(v)
    kept = prior._transform(v).analysis(found)[1]
    for band, own in zip(details, kept, strict=True):
        # Each coefficient is a problem of its own: keep it for tau, or drop it for half its square.
        best = torch.minimum(torch.full_like(band, tau), 0.5 * band.square())
        cost = tau * (own.abs() > 1e-12) + 0.5 * (own - band).square()
        torch.testing.assert_close(cost, best)
    assert (prior._transform(v).analysis(found)[0] - low).abs().max() < 1e-12
    assert any((own.abs() < 1e-12).any() for own in kept)
    assert any((own.abs() > 0.1).any() for own in kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_l0_does_not_count_what_its_prox_has_set_to_zero(dtype):
    """The coefficients return from the pixels with rounding errors."""
    prior, v = Wavelet(wavelet="db4", kind="l0"), random(1, 3, 16, 15, dtype=dtype)
    before, after = float(prior.value(v)), float(prior.value(prior.prox(v, 0.05)))
    assert after < 0.5 * before
    assert float(prior.value(prior.prox(v, 100.0))) == 0.0


def test_l0_counts_and_has_no_gradient():
    prior = Wavelet(wavelet="haar", levels=1, kind="l0")
    flat = torch.zeros(2, 1, 4, 4)
    flat[1, 0, 0, 0] = 1.0
    assert prior.value(flat).tolist() == [0.0, 3.0]
    with pytest.raises(IncompatibleError, match="kind=l1"):
        prior.gradient(flat)
    assert prior.default_weight != Wavelet().default_weight


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 4]), st.booleans())
def test_any_size_and_channels(height, width, channels, invariant):
    prior, v = (
        Wavelet(wavelet="haar", translation_invariant=invariant),
        random(1, channels, height, width),
    )
    x = prior.prox(v, 0.1)
    assert x.shape == v.shape
    assert energy(prior, x, v, 0.1) <= energy(prior, v, v, 0.1) + 1e-12


@options
def test_batch_dtype_determinism_and_input_untouched(options):
    prior, v = Wavelet(**options), random(2, 3, 9, 7, dtype=torch.float32)
    v[1] *= 5.0
    before, x = v.clone(), prior.prox(v, 0.05)
    assert x.dtype == v.dtype
    assert torch.equal(v, before)
    assert torch.equal(x, prior.prox(v, 0.05))
    for i in range(2):
        torch.testing.assert_close(x[i : i + 1], prior.prox(v[i : i + 1], 0.05), atol=1e-5, rtol=0)
    torch.testing.assert_close(prior.value(v)[1:2], prior.value(v[1:2]))


def noisy_step(*shape):
    clean = torch.full(shape, 0.2, dtype=torch.float64)
    clean[..., shape[-1] // 2 :] = 0.7
    return clean, clean + 0.1 * (random(*shape) - 0.5) * 12**0.5


@pytest.mark.parametrize("options", [*OPTIONS, {"wavelet": "haar", "kind": "l0"}, {}], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 256), (1, 3, 2, 200), (1, 1, 5, 300)])
def test_rows_and_columns_are_denoised_alike(options, shape):
    prior, (clean, y) = Wavelet(**options), noisy_step(*shape)
    tau = prior.default_weight * 0.01
    found = prior.prox(y, tau)
    assert (found - clean).square().mean() < 0.4 * (y - clean).square().mean()
    torch.testing.assert_close(prior.prox(y.mT, tau), found.mT, atol=1e-2, rtol=0)
    torch.testing.assert_close(prior.value(y.mT), prior.value(y))
    assert prior.degrees_of_freedom(y, tau) == prior.degrees_of_freedom(y.mT, tau)
    assert (prior.value(y) > prior.value(clean)).all()


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (2, 3)])
def test_tiny_images_are_changed_and_a_single_pixel_is_free(size):
    for options in OPTIONS:
        prior, v = Wavelet(**options), random(1, 1, *size)
        assert prior.prox(v, 10.0).std() < 0.8 * v.std()  # an odd last sample stays
        assert prior.value(v) > 0
        assert torch.equal(prior.prox(v[..., :1, :1], 10.0), v[..., :1, :1])
        assert prior.value(v[..., :1, :1]) == 0


def test_translation_invariant_value_is_the_mean_over_shifts():
    x = random(1, 1, 8, 8)
    basis = Wavelet(wavelet="db2", levels=2)
    shifted = [basis.value(x.roll((i, j), (-2, -1))) for i in range(8) for j in range(8)]
    frame = Wavelet(wavelet="db2", levels=2, translation_invariant=True)
    torch.testing.assert_close(frame.value(x), torch.stack(shifted).mean(0))


@options
def test_gradient_is_the_slope_of_the_value(options):
    prior, x, direction = Wavelet(**options), random(1, 3, 7, 9), random(1, 3, 7, 9, seed=1) - 0.5
    step = 1e-7
    slope = (prior.value(x + step * direction) - prior.value(x - step * direction)) / (2 * step)
    assert float((prior.gradient(x) * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


def test_denoises_an_image_and_invariance_pays():
    clean = torch.from_numpy(data.astronaut()[64:160, 160:256] / 255.0).permute(2, 0, 1)[None]
    noise = torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    sigma = 25 / 255
    y = clean + sigma * noise

    def error(prior):
        tau = prior.default_weight * sigma**2
        return float((prior.prox(y, tau) - clean).square().mean())

    plain = error(Wavelet())
    assert plain < sigma**2 / 4
    assert error(Wavelet(kind="l0")) < sigma**2 / 3.5
    assert error(Wavelet(wavelet="haar", translation_invariant=True)) < plain


@pytest.mark.parametrize("level", [0.0, 0.5, 4095.0])
@pytest.mark.parametrize(
    "options", [{"wavelet": "bior4.4"}, {"translation_invariant": True}], ids=str
)
def test_a_flat_image_stays(options, level):
    """A gap relative to an energy of 0 never closed: the prox refused flat images after 5,000 steps."""
    flat = torch.full((1, 1, 32, 32), level)
    for tau in (0.1, 100.0):
        torch.testing.assert_close(Wavelet(**options).prox(flat, tau), flat, rtol=1e-6, atol=0)


def test_a_large_weight_ends_at_an_image_without_details():
    x = Wavelet(wavelet="haar", translation_invariant=True).prox(random(1, 1, 16, 16).float(), 1e3)
    assert float(x.std()) < 1e-5


def test_a_smaller_gap_comes_nearer():
    prior, v = Wavelet(wavelet="haar", translation_invariant=True), random(1, 1, 8, 8)
    transform = prior._transform(v)
    thresholds = prior._thresholds(transform, 0.3)
    exact = _analysis_prox(transform, v, thresholds, tolerance=1e-7)
    errors = [
        float((_analysis_prox(transform, v, thresholds, tolerance=t) - exact).square().sum())
        for t in (1e-2, 1e-4)
    ]
    goal = energy(prior, exact, v, 0.3)
    assert (
        errors[1] <= 2e-4 * goal
    )  # strong convexity: half the squared distance is at most the gap
    assert errors[1] < errors[0]


def test_refusals():
    with pytest.raises(OptionError, match='did you mean "sym8"'):
        Wavelet(wavelet="sim8")
    for wrong in ({"wavelet": "bior4.4"}, {"translation_invariant": True}):
        with pytest.raises(OptionError, match="l0"):
            Wavelet(kind="l0", **wrong)
    with pytest.raises(OptionError, match="levels"):
        Wavelet(levels=0)
