import math

import numpy as np
import pytest
from scipy import stats

from invprior.matrix.analysis.statistics import Pair, compare, interval

PAIRS = [Pair(p, s) for p in ("cat", "dog", "owl") for s in (0, 1)]


def scores(*values, pairs=PAIRS):
    return dict(zip(pairs, map(float, values), strict=False))


def test_seeds_are_averaged_before_the_interval_over_images():
    found = interval(scores(1, 3, 4, 6, 9, 11))
    reference = stats.ttest_1samp([2, 5, 10], 0).confidence_interval(0.95)
    assert (found.mean, found.count) == (pytest.approx(17 / 3), 3)
    assert found.mean - found.half == pytest.approx(reference.low)
    assert found.mean + found.half == pytest.approx(reference.high)


@pytest.mark.parametrize("images", [1, 2])
def test_fewer_than_three_images_have_no_interval_and_no_tie(images):
    """With two, t would give 13 standard errors; many seeds of an image are no evidence about others."""
    pairs = [Pair(p, s) for p in ("cat", "dog")[:images] for s in range(4)]
    values = scores(1, 2, 3, 6, 2, 3, 4, 7, pairs=pairs)
    assert math.isnan(interval(values).half)
    found = compare({"a": values, "b": scores(*[9] * 8, pairs=pairs)}, pairs, higher_is_better=True)
    assert not found.tied_with_best("a")


def test_the_interval_has_its_nominal_coverage():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        images = generator.normal(0, 3, 3)
        values = images.repeat(2) + generator.normal(0, 0.1, 6)
        found = interval(scores(*values))
        hits += abs(found.mean) <= found.half
    assert 0.92 <= hits / 400 <= 0.98  # six values taken as independent would give 0.75


def test_differences_are_paired():
    """A constant gain is certain, however different the images are."""
    hard = scores(10, 11, 25, 26, 40, 41)
    found = compare(
        {"a": hard, "b": {p: v + 0.5 for p, v in hard.items()}}, PAIRS, higher_is_better=True
    )
    assert found.best == "b"
    assert found.mean["a"].half > 30
    assert found.behind["a"].mean == pytest.approx(-0.5)
    assert found.behind["a"].half == pytest.approx(0, abs=1e-9)
    assert not found.tied_with_best("a")
    assert found.rank == {"b": 1.0, "a": 2.0}
    assert found.wins == {("b", "a"): 1.0, ("a", "b"): 0.0}


def test_lower_can_be_better_and_ties_count_half():
    found = compare(
        {"a": scores(1, 1, 1, 1, 1, 1), "b": scores(1, 1, 2, 2, 2, 0)},
        PAIRS,
        higher_is_better=False,
    )
    assert found.best == "a"
    assert found.wins["a", "b"] == pytest.approx((3 + 0.5 * 2) / 6)
    assert found.rank["a"] == pytest.approx((1.5 * 2 + 1 * 3 + 2) / 6)
    assert found.tied_with_best("b")


def test_means_are_over_the_pairs_that_all_methods_have():
    found = compare(
        {"a": scores(1, 1, 1, 1, 90, 90), "b": scores(2, 2, 2, 2)}, PAIRS, higher_is_better=True
    )
    assert found.pairs == tuple(PAIRS[:4])
    assert found.possible == 6
    assert found.best == "b"
    assert found.mean["a"].mean == 1


def test_a_method_with_few_results_is_left_out_with_the_reason():
    full = scores(1, 2, 3, 4, 5, 6)
    found = compare({"a": full, "b": scores(9, 9), "c": {}}, PAIRS, higher_is_better=True)
    assert found.methods == ("a",)
    assert len(found.pairs) == 6
    assert found.apart == {
        "b": "results for only 2 of 6 pairs of image and seed",
        "c": "no result",
    }


def test_infinite_scores_are_left_out():
    found = compare(
        {"a": scores(1, 2, 3, 4, 5, math.inf), "b": scores(1, 2, 3, 4, 5, 6)},
        PAIRS,
        higher_is_better=True,
    )
    assert found.pairs == tuple(PAIRS[:5])
    assert math.isfinite(found.mean["a"].mean)


def test_nothing_in_common_compares_nothing():
    one, other = scores(1, 1, 1), dict.fromkeys(PAIRS[3:], 1.0)
    found = compare({"a": one, "b": other}, PAIRS, higher_is_better=True)
    assert (found.best, found.pairs, found.mean) == (None, (), {})
    assert compare({}, [], higher_is_better=True).best is None


def test_thousands_of_methods_are_compared_at_once():
    """Their wins over each other, a million, are computed when they are read."""
    scores = {f"m{n}": {Pair("a", 0): float(n), Pair("b", 0): -1.0} for n in range(1000)}
    found = compare(scores, [Pair("a", 0), Pair("b", 0)], higher_is_better=True)
    assert found.best == "m999"
    assert len(found.wins) == 999 * 1000
    assert found.wins["m3", "m2"] == 0.75
