import pytest
import torch

from invprior.errors import OptionError
from invprior.operators.denoise import Denoise


def test_identity() -> None:
    x = torch.rand(2, 3, 5, 4)
    a = Denoise((3, 5, 4))
    assert torch.equal(a(x), x)
    assert torch.equal(a.normal(x), x)
    assert torch.allclose(a.solve_damped(x, 3.0), x / 4.0)
    assert a.norm() == 1.0
    assert a.observation_mask is None


def test_has_no_options() -> None:
    with pytest.raises(OptionError, match="has no option"):
        Denoise((3, 5, 4), sigma=1.0)  # type: ignore[call-arg]
