"""Calls in threads of their own give what they give one after the other."""

from __future__ import annotations

import pytest
import torch

from invprior.numerics.side_by_side import side_by_side
from invprior.numerics.threads import limited_to


def test_results_keep_their_order_and_each_call_has_its_share_of_threads():
    with limited_to(6):
        calls = [lambda k=k: (k, torch.get_num_threads()) for k in range(3)]
        assert side_by_side(calls) == [(0, 2), (1, 2), (2, 2)]
        assert torch.get_num_threads() == 6


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_recorded_where_the_caller_records_them(threads):
    weight = torch.ones(1, requires_grad=True)
    calls = [lambda: 2 * weight] * 2
    with limited_to(threads):
        assert all(made.requires_grad for made in side_by_side(calls))
        with torch.no_grad():
            assert not any(made.requires_grad for made in side_by_side(calls))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_reaches_the_caller(threads):
    def fails() -> int:
        raise KeyError("here")

    with limited_to(threads), pytest.raises(KeyError, match="here"):
        side_by_side([lambda: 1, fails])
