import torch

from invprior.noise_estimation.constant_areas import constant_areas


def noise(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_an_area_is_found_to_the_pixel():
    image, known = noise(60, 70), torch.ones(60, 70, dtype=torch.bool)
    expected = torch.zeros_like(known)
    expected[10:30, 20:40] = True  # a square
    expected[30:33, 25] = True  # and what is connected to it
    expected[50:, :] = True
    image[expected] = 0.5
    assert torch.equal(constant_areas(image, known), expected)
    known[::3, ::2] = False
    assert torch.equal(constant_areas(image, known)[:30], (expected & known)[:30])


def test_few_equal_values_and_clipped_ones_do_not_count():
    image, known = noise(60, 70), torch.ones(60, 70, dtype=torch.bool)
    image[10:17, 10:19] = 0.5
    assert not constant_areas(image, known).any()
    image[10:40, 10:40] = 0.0
    image[10:40, 40:69] = 1.0
    assert not constant_areas(image, known).any()


def test_a_drawing_has_none():
    image, known = torch.zeros(64, 64, dtype=torch.float64), torch.ones(64, 64, dtype=torch.bool)
    image[10:40, 10:50] = 0.5
    image[5::20, ::7] = 1.0
    assert not constant_areas(image, known).any()
    assert not constant_areas(torch.full_like(image, 0.5), known).any()
    assert not constant_areas(image, ~known).any()
