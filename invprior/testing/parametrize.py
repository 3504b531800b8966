"""The checks as pytest tests, one for each object and check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invprior.registry.options import plain_name
from invprior.testing.report import Check
from invprior.testing.run_checks import (
    checks_of,
    class_of,
    expected_failures_of,
    label,
    run_check,
    subject,
)

if TYPE_CHECKING:
    import pytest  # at run time inside the functions: a plugin's user need not have it


@dataclass(frozen=True)
class BoundCheck:
    """One check of one object, which the test calls."""

    check: Check
    obj: Any

    def __call__(self) -> None:
        """Run the check.

        Raises:
            AssertionError: it fails; the message says how the object is wrong.
        """
        import pytest

        verdict = run_check(self.check, self.obj)
        if verdict.outcome == "skip":
            pytest.skip(verdict.text)
        if verdict.outcome == "fail":
            raise AssertionError(f"{label(self.obj)}, {verdict.check}: {verdict.text}")


def parametrize_checks(
    *objects: Any, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Run a test once for each check of each object. The test receives the check as `check` and must call it.

    Args:
        objects: as for `check`; each gets the checks of its kind.
        expected_failures: the reason for each check that is known to fail, for every object that has the check. Those
            that a class lists in an attribute of this name count too. The test fails when such a check passes.

    Raises:
        OptionError: an object is no plugin, or no object has a check of that name.
    """
    import pytest

    made = [subject(obj) for obj in objects]
    every = {c.name for obj in made for c in checks_of(obj)}
    names = [plain_name(class_of(obj)) for obj in made]
    cases = []
    for index, obj in enumerate(made):
        own = {c.name for c in checks_of(obj)}
        # A check that only another object has is no mistake; one that no object has is refused by the call below.
        given = {k: v for k, v in (expected_failures or {}).items() if k in own or k not in every}
        reasons = expected_failures_of(obj, given)
        shown = names[index] if names.count(names[index]) == 1 else f"{names[index]}{index}"
        for item in checks_of(obj):
            known = reasons.get(item.name, "")
            # strict: a check that passes after all fails the test, so that no excuse outlives its cause.
            marks = [pytest.mark.xfail(reason=known, strict=True, raises=AssertionError)]
            cases.append(
                pytest.param(
                    BoundCheck(item, obj), id=f"{shown}-{item.name}", marks=marks if known else ()
                )
            )
    mark: Callable[..., pytest.MarkDecorator] = pytest.mark.parametrize
    return mark("check", cases)
