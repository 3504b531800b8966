"""Each choice of a run is made once, and its result handed on."""

from invprior.builders.problem import operator_for
from invprior.operators import base as operators
from invprior.registry import discovery, plugin
from invprior.solvers import auto, splitting

SOLVE = ("solve", "sample:camera:48", "--operator", "blur", "--prior", "tv:weight=8", "--quiet")


def count(monkeypatch, name, *modules):
    """Count the calls of a function that these modules use; return the list of their arguments."""
    calls, real = [], getattr(modules[0], name)

    def call(*arguments, **options):
        calls.append(arguments)
        return real(*arguments, **options)

    for module in modules:
        monkeypatch.setattr(module, name, call)
    return calls


def test_a_solve_selects_its_solver_and_routes_once(run, monkeypatch):
    selected = count(monkeypatch, "_candidates", auto)
    routed = count(monkeypatch, "route", splitting)  # ADMM's, which is the first that fits
    run(*SOLVE)
    assert (len(selected), len(routed)) == (1, 1)


def test_a_solve_reads_the_entry_points_once(run):
    discovery._discover.cache_clear()
    run(*SOLVE)
    assert discovery._discover.cache_info().misses == 1


def test_an_operators_options_are_validated_once(monkeypatch):
    validated = count(monkeypatch, "validate", plugin, operators)
    blur = operator_for("blur:sigma=1.2", image=(1, 8, 8))
    assert blur.sigma == 1.2
    assert [cls.__name__ for cls, _ in validated] == ["Blur"]
