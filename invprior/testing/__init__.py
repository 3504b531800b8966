"""The conformance kit: whether a plugin does what its kind promises, and how it fails if not.

    from invprior.testing import check
    print(check(MyPrior()))

With pytest, a plugin's whole test is

    from invprior.testing import parametrize_checks

    @parametrize_checks(MyPrior(), MyPrior(order=2))
    def test_my_prior(check):
        check()
"""

from __future__ import annotations

from invprior.testing.kit import check as check
from invprior.testing.parametrize import parametrize_checks as parametrize_checks
from invprior.testing.verdicts import Report as Report
from invprior.testing.verdicts import Verdict as Verdict

__all__ = ["Report", "Verdict", "check", "parametrize_checks"]
