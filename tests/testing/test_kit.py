"""The kit itself: what it accepts, how it reports, and how it runs under pytest."""

import ast
import importlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from invprior import testing
from invprior.errors import OptionError
from invprior.fidelities.gaussian import Gaussian
from invprior.operators.base import LinearOperator, Recipe
from invprior.operators.denoise import Denoise
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.tv import TV
from invprior.problem.functionals import Penalty, Proximable
from invprior.testing import Report, Verdict, check, parametrize_checks
from invprior.testing.checks_by_kind import CHECKS
from tests.testing.planted import FAULTS


class Steep(Penalty, Proximable):
    """1/2 ||x||^2 with a prox of another function."""

    degree = 2.0

    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)

    def prox(self, v, tau):
        return v / (1 + 2 * tau)


class Excused(Steep):
    expected_failures = {"prox": "the prox is of another function"}


def test_classes_objects_and_recipes_are_accepted():
    subjects = [check(o).subject for o in (Tikhonov, Tikhonov(), Gaussian(sigma=0.1))]
    assert subjects == ["prior tikhonov", "prior tikhonov", "fidelity gaussian"]
    for operator in (Denoise((1, 9, 8)), Recipe(Denoise), Denoise):
        report = check(operator)
        assert (report.subject, report.ok) == ("operator denoise", True), str(report)


@pytest.mark.parametrize("wrong", [3, torch.nn.Identity(), TV() + Tikhonov(), object])
def test_an_object_that_is_no_plugin_is_refused(wrong):
    with pytest.raises(OptionError, match="What is checked must be"):
        check(wrong)


def test_a_report_lists_failures_and_prints_every_verdict():
    report = check(Steep)
    assert not report.ok
    assert list(report.failures) == ["prox"]
    assert report["prox"] == Verdict(
        "prox", "fail", report.failures["prox"], report["prox"].meaning
    )
    assert "fail      prox  the prox uses 2 tau" in str(report)
    assert len(str(report).splitlines()) == 1 + len(report.verdicts)


def test_expected_failures_are_reported_and_strict():
    report = check(Steep, expected_failures={"prox": "known since May"})
    assert report.ok
    assert report["prox"].outcome == "expected"
    assert report["prox"].text.endswith("known: known since May")
    report = check(Tikhonov, expected_failures={"prox": "known since May"})
    assert report.failures == {
        "prox": "expected to fail, but passes; the reason given was: known since May"
    }
    assert check(Excused).ok
    with pytest.raises(OptionError, match=r'names "proks", .*did you mean "prox"'):
        check(Steep, expected_failures={"proks": "a typo"})


def test_a_verdict_does_not_depend_on_random_state_and_leaves_it_alone():
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = check(Tikhonov)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    assert random.getstate() == states[2]
    torch.manual_seed(5)
    assert check(Tikhonov) == first
    torch.set_rng_state(states[0])


def test_every_check_has_a_name_of_its_own_and_a_meaning():
    for group, checks in CHECKS.items():
        for form in {c.form for c in checks}:
            names = [c.name for c in checks if c.form == form]
            assert len(names) == len(set(names)), group
        assert all(c.meaning.endswith(".") for c in checks), group


def test_a_class_that_accepts_no_common_size_asks_for_an_instance():
    class Picky(LinearOperator):
        def __init__(self, image_shape):
            if image_shape != (1, 10, 10):
                raise OptionError(
                    f"The image_shape of picky must be (1, 10, 10); got {image_shape}."
                )
            super().__init__(image_shape)

        def forward(self, x):
            return 2 * x

    assert "Check an instance of a size that it accepts" in check(Picky)["shape"].text
    assert check(Picky((1, 10, 10))).ok


def test_the_table_of_planted_faults_holds_every_kind():
    for file in Path(__file__).parent.glob("test_*_faults.py"):
        importlib.import_module(f"{__package__}.{file.stem}")
    for file in Path(__file__).parent.glob("test_faulty_*.py"):
        importlib.import_module(f"{__package__}.{file.stem}")
    assert len(set(FAULTS)) >= 200
    assert {name for _, name in FAULTS} <= {c.name for checks in CHECKS.values() for c in checks}


def test_an_empty_report_is_ok():
    assert Report("prior nothing", ()).ok


def test_pytest_is_only_needed_for_the_decorator():
    for file in Path(testing.__file__).parent.glob("*.py"):
        at_import = [
            n
            for n in ast.parse(file.read_text()).body
            if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert not [n for n in at_import if "pytest" in ast.unparse(n)], file.name


PLUGIN_TEST = """
from invprior.testing import parametrize_checks
from tests.testing.test_kit import Excused, Steep
from invprior.priors.tikhonov import Tikhonov

@parametrize_checks(Steep, Excused)
def test_faulty(check):
    check()

@parametrize_checks(Steep(), expected_failures={"prox": "known"})
def test_known(check):
    check()

@parametrize_checks(Tikhonov(), expected_failures={"prox": "known"})
def test_not_true_any_more(check):
    check()
"""


class Outcomes:
    """Collects the outcomes of a pytest run in this process."""

    def __init__(self):
        self.failed, self.known = {}, []

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed[report.nodeid.split("::")[1]] = str(report.longrepr)
        elif hasattr(report, "wasxfail"):
            self.known.append(report.nodeid.split("::")[1])


def test_three_lines_test_a_whole_plugin(tmp_path, capsys):
    (tmp_path / "test_plugin.py").write_text(PLUGIN_TEST)
    found = Outcomes()
    pytest.main(
        ["-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)], plugins=[found]
    )
    assert list(found.failed) == [
        "test_faulty[steep-prox]",
        "test_not_true_any_more[tikhonov-prox]",
    ]
    assert found.known == ["test_faulty[excused-prox]", "test_known[steep-prox]"]
    assert (
        "steep, prox: the prox uses 2 tau instead of tau" in found.failed["test_faulty[steep-prox]"]
    )


def test_a_check_that_no_object_has_is_refused():
    parametrize_checks(
        Tikhonov(), Gaussian(sigma=0.1), expected_failures={"total": "only fidelities have it"}
    )
    with pytest.raises(OptionError, match='names "totall"'):
        parametrize_checks(Tikhonov(), Gaussian(sigma=0.1), expected_failures={"totall": "a typo"})
