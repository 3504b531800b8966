import pytest
import torch
from skimage import data

from invprior.denoisers.tv import TVDenoiser
from invprior.errors import OptionError
from invprior.priors.tv import TV


def images():
    clean = torch.from_numpy(data.astronaut()[:96, 180:276] / 255.0).float()
    return clean.permute(2, 0, 1)[None]


def psnr(x, truth):
    return -10 * float((x - truth).square().mean().log10())


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic", "vectorial"])
@pytest.mark.parametrize(("level", "gain"), [(10, 1.5), (25, 6.0), (50, 8.0)])
def test_it_denoises(kind, level, gain):
    clean, sigma = images(), level / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = clean + sigma * noise
    assert psnr(TVDenoiser(kind=kind).denoise(noisy, sigma), clean) > psnr(noisy, clean) + gain


def test_weight_is_the_priors():
    noisy, sigma = images(), 0.1
    expected = TV(kind="isotropic").prox(noisy, 7.0 * sigma**2)
    assert torch.equal(TVDenoiser(kind="isotropic", weight=7.0).denoise(noisy, sigma), expected)


@pytest.mark.parametrize("options", [{"weight": 0.0}, {"kind": "round"}, {"sigma": 1.0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(OptionError):
        TVDenoiser(**options)


def test_grey_and_colour_of_equal_channels_agree_in_strength():
    """C equal channels count sqrt(C) times in the vectorial TV and C times in the fidelity."""
    grey = images()[:, :1]
    three = TVDenoiser(weight=5.0 * 3**0.5).denoise(grey.expand(1, 3, -1, -1), 0.1)
    one = TVDenoiser(weight=5.0).denoise(grey, 0.1)
    torch.testing.assert_close(three, one.expand_as(three), atol=2e-3, rtol=0)
