import pytest
import torch

from invprior import samples
from invprior.io.display import Window
from invprior.io.montage import GAP, Shown, side_by_side


def test_images_stand_in_a_row_under_their_titles():
    x = samples.load("astronaut", 200).x
    page = side_by_side([Shown("left", x), Shown("right", 1 - x)])
    assert page.shape[:2] == (1, 3)
    width = page.shape[3]
    assert width == 2 * 200 + 3 * GAP
    shown = page[..., -GAP - 200 : -GAP, GAP : GAP + 200]
    assert torch.allclose(shown, x, atol=1e-3)
    title = page[..., : -GAP - 200, :]
    assert (title[..., : width // 2] < 0.5).any()
    assert (title[..., width // 2 :] < 0.5).any()


def test_a_small_measurement_shows_its_pixels():
    x = samples.load("camera", 200).x
    small = torch.zeros(1, 1, 50, 50)
    small[0, 0, 20, 30] = 1
    page = side_by_side([Shown("x", x), Shown("y", small)])
    shown = page[0, 0, -GAP - 200 : -GAP, -GAP - 200 : -GAP]
    assert torch.equal(shown, small[0, 0].repeat_interleave(4, 0).repeat_interleave(4, 1))


@pytest.mark.parametrize("channels", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [(8, 8), (3, 40), (40, 3), (301, 17)])
def test_any_image_can_be_shown(channels, size):
    x = torch.full((1, channels, *size), torch.nan)
    page = side_by_side([Shown("a title that is far too long for its image", x), Shown("", x)])
    assert page.isfinite().all()
    assert 0 <= page.min() <= page.max() <= 1


def test_rows_of_so_many():
    x = samples.load("camera", 200).x
    page = side_by_side([Shown(str(i), x * i / 4) for i in range(5)], columns=2)
    assert page.shape[3] == 2 * 200 + 3 * GAP
    alone = side_by_side([Shown("4", x)])
    tall = alone.shape[2]
    assert page.shape[2] == 3 * tall
    last = page[..., 2 * tall :, : GAP + 200]
    assert torch.equal(last, alone[..., : GAP + 200])
    assert (page[..., 2 * tall :, GAP + 200 :] == 1).all()


def test_a_window_maps_intensities_and_is_named_below():
    x = samples.load("camera", 200).x
    counts, window = 4095 * x, Window(0, 4095)
    page = side_by_side([Shown("x", counts, window), Shown("y", 10 * x, Window(0, 10))])
    plain = side_by_side([Shown("x", x), Shown("y", x)])
    height = plain.shape[2]
    assert torch.equal(page[:, :, :height], plain)
    assert (page[:, :, height:] < 0.5).any()  # the line about the windows
