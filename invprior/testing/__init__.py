"""The conformance kit: checks whether a plugin does what its kind requires, and reports how it is wrong if not.

    from invprior.testing import check
    print(check(MyPrior()))

With pytest, the whole test of a plugin is

    from invprior.testing import parametrize_checks

    @parametrize_checks(MyPrior(), MyPrior(order=2))
    def test_my_prior(check):
        check()
"""

from __future__ import annotations

from invprior.testing.parametrize import parametrize_checks as parametrize_checks
from invprior.testing.report import Report as Report
from invprior.testing.report import Verdict as Verdict
from invprior.testing.run_checks import check as check

__all__ = ["Report", "Verdict", "check", "parametrize_checks"]
