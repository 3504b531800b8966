"""The kit as pytest tests, one for each object and check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from invprior.registry.options import plain_name
from invprior.testing.report import Check
from invprior.testing.run_checks import checks_of, class_of, expected_of, judge, label, subject

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Trial:
    """One check of one object; the test calls it."""

    check: Check
    obj: Any

    def __call__(self) -> None:
        """Run the check.

        Raises:
            AssertionError: it fails; the message says how the object is wrong.
        """
        import pytest

        verdict = judge(self.check, self.obj)
        if verdict.outcome == "skip":
            pytest.skip(verdict.text)
        if verdict.outcome == "fail":
            raise AssertionError(f"{label(self.obj)}, {verdict.check}: {verdict.text}")


def parametrize_checks(
    *objects: Any, expected_failures: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Run a test once for each check of each object, as the argument `check`, which it must call.

    Args:
        objects: as for `check`; each gets the checks of its kind.
        expected_failures: checks that are known to fail, each with the reason, for every object that has them; one that
            passes after all fails the test. Those that a class states in an attribute of this name are known too.

    Raises:
        OptionError: an object is no plugin, or a check has no such name.
    """
    import pytest

    made = [subject(obj) for obj in objects]
    every = {c.name for obj in made for c in checks_of(obj)}
    names = [plain_name(class_of(obj)) for obj in made]
    cases = []
    for index, obj in enumerate(made):
        own = {c.name for c in checks_of(obj)}
        # A name that only another object has is not wrong; one that none has is.
        given = {k: v for k, v in (expected_failures or {}).items() if k in own or k not in every}
        reasons = expected_of(obj, given)
        shown = names[index] if names.count(names[index]) == 1 else f"{names[index]}{index}"
        for item in checks_of(obj):
            known = reasons.get(item.name, "")
            marks = [pytest.mark.xfail(reason=known, strict=True, raises=AssertionError)]
            cases.append(
                pytest.param(
                    Trial(item, obj), id=f"{shown}-{item.name}", marks=marks if known else ()
                )
            )
    mark: Callable[..., pytest.MarkDecorator] = pytest.mark.parametrize
    return mark("check", cases)
