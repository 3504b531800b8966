"""The search over a scale factor."""

import math

import numpy as np
import pytest

from invprior.tuning.brent import RANGE, smallest


def counted(function):
    calls = []

    def call(factor):
        calls.append(factor)
        return function(factor)

    return call, calls


@pytest.mark.parametrize("where", [1.0, 1.3, 0.2, 7.0, 60.0, 0.01])
def test_it_finds_a_minimum_within_a_tenth_in_ten_calls(where):
    def valley(factor):  # steeper to one side, as the error over the weight is
        t = math.log(factor / where)
        return 1 + t**2 + 0.1 * t**3 * (t > 0)

    function, calls = counted(valley)
    factor, at_end = smallest(function)
    assert abs(math.log(factor / where)) < 0.25
    assert not at_end
    assert len(calls) == len(set(calls)) <= 10


def test_each_factor_of_the_sweep_is_a_neighbour_of_the_best():
    function, calls = counted(lambda f: f)
    smallest(function)
    for number, factor in enumerate(calls[1:], 1):
        assert factor == pytest.approx(4 * min(calls[:number])) or factor == pytest.approx(
            min(calls[:number]) / 4
        )


@pytest.mark.parametrize("power", [1, -1])
def test_the_end_of_the_range_is_reported(power):
    factor, at_end = smallest(lambda f: f**power)
    assert at_end
    assert factor == pytest.approx(RANGE**-power)


def test_a_plateau_is_not_followed_to_the_end():
    function, calls = counted(lambda f: 1 + f * f / (1 + f * f))
    factor, at_end = smallest(function)
    assert not at_end
    assert factor < 0.1
    assert len(calls) < 8


def test_from_a_plateau_of_flat_images_the_search_goes_to_smaller_factors():
    """Photon noise of peak 2: every weight from the default up gives the same constant image."""

    def curve(factor):
        return 0.314 if factor > 0.2 else 0.314 + 0.2 * (math.log(factor / 0.02) ** 2 - 5.3)

    factor, at_end = smallest(curve)
    assert not at_end
    assert abs(math.log(factor / 0.02)) < 0.5


def test_what_is_not_finite_is_avoided():
    factor, _ = smallest(lambda f: math.nan if f > 2 else (math.log(f) - 0.5) ** 2)
    assert factor == pytest.approx(math.exp(0.5), rel=0.15)


def test_a_search_without_a_finite_value_ends():
    function, calls = counted(lambda f: math.inf)
    smallest(function)
    assert len(calls) <= 10


def test_a_minimum_beside_a_symmetric_start_is_not_missed():
    # measured: `tv` on an image with noise of 50 of 255, where the outer points lie level around the default
    points = {2.5: 0.305, 7.07: 0.0564, 8.08: 0.0554, 10: 0.0615, 14.1: 0.0829, 40: 0.2568}
    logs = [math.log(f / 10) for f in points]

    def curve(factor):
        return float(np.interp(math.log(factor), logs, list(points.values())))

    factor, _ = smallest(curve)
    assert 0.65 < factor < 0.9


def test_a_steep_valley_with_one_long_side_is_entered():
    # measured: `red` on camera with noise of 50 of 255; the search ended at 0.69, 2 dB from the best
    points = {1 / 16: 0.92, 0.25: 0.67, 0.5: 0.2023, 1: 0.4204, 2: 0.8855, 4: 1.448}
    logs = [math.log(f) for f in points]

    def curve(factor):
        return float(np.interp(math.log(factor), logs, list(points.values())))

    factor, _ = smallest(curve)
    assert 0.42 < factor < 0.6


def test_what_a_slack_forgives_is_not_searched():
    """Downsampling by 4 with `tv`: nothing within the slack is better than the default."""
    function, calls = counted(lambda f: 0.9 + 0.3 * f + 0.05 * f * f)
    assert smallest(function, slack=0.875) == (1.0, False)
    assert len(calls) == 3


def test_smaller_factors_are_tried_first():
    function, calls = counted(lambda f: (math.log(f) + 1.3) ** 2 + 1)
    smallest(function)
    assert max(calls) == 1.0
