"""Options: what a constructor's keyword-only parameters promise, and how faults are told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from annotated_types import Ge, Gt, Lt
from pydantic import AfterValidator

from invprior.errors import OptionError, PluginError
from invprior.registry.options import REQUIRED, option_values, options_of, plain_name
from invprior.registry.plugin import Plugin, validate
from invprior.registry.spec import Spec

if TYPE_CHECKING:
    from nowhere import Missing


class Base(metaclass=Plugin):
    plugin_group: ClassVar[str] = "denoisers"


def odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd")
    return value


def whole(value: float) -> float:
    if value != int(value):
        raise AssertionError("parts are not allowed")
    return value


@dataclass(frozen=True, kw_only=True)
class Full(Base):
    """Every kind of option.

    Args:
        strength: how much, on
            two lines.
        norm (str): which norm.
        size: an odd size.

    Note:
        nothing: no option.
    """

    strength: Annotated[float, Gt(0)]
    norm: Literal["l1", "l2"] = "l1"
    size: Annotated[int, AfterValidator(odd)] = 3
    decay: Annotated[float, Ge(0), Lt(1)] = 0.5
    sigma: Annotated[float, Gt(0)] | None = None
    shape: tuple[int, int] = (1, 2)
    kernel: Path | None = None
    restart: bool = True
    either: int | tuple[int, int] = 1
    whole: Annotated[float, AfterValidator(whole)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Wrapper(Base):
    """Holds components."""

    inner: Base | None = None
    many: tuple[Base, ...] = ()
    listed: list[Base] | None = None


@pytest.fixture
def components(monkeypatch):
    """Let the text "full" stand for a class of this module, without an installed package."""

    def create(group, spec, **more):
        spec = Spec(spec) if isinstance(spec, str) else spec
        if spec.name != "full":
            raise PluginError(f'Unknown denoiser "{spec.name}".')
        assert group == "denoisers"
        return Full(**{"strength": 1.0, **spec.options})

    monkeypatch.setattr("invprior.registry.lookup.create", create)


def fault(make: Any, **options: Any) -> str:
    with pytest.raises(OptionError) as caught:
        make(**options)
    return str(caught.value)


def test_every_fault_is_reported_at_once():
    message = fault(Full, strenght=1, norm="l3", decay=2, size="x", restart="perhaps")
    lines = message.splitlines()
    assert len(lines) == 6
    assert (
        'full has no option "strenght" (did you mean "strength"?); it has: strength, norm,'
        in message
    )
    assert 'The option "strength" of full must be given.' in lines
    assert """The option "norm" of full must be 'l1' or 'l2'; got 'l3'.""" in lines
    assert 'The option "decay" of full must be less than 1; got 2.' in lines
    assert 'The option "size" of full must be a valid integer' in message
    assert 'The option "restart" of full must be a valid boolean' in message


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"strength": 0}, "must be greater than 0; got 0."),
        ({"strength": float("nan")}, "must be a finite number; got nan."),
        ({"strength": float("inf")}, "must be a finite number; got inf."),
        ({"strength": True}, "must be a number; got True."),
        ({"strength": None}, "must be a valid number; got None."),
        ({"strength": 1, "size": False}, "must be a number; got False."),
        ({"strength": 1, "size": 2.5}, "must be a valid integer"),
        ({"strength": 1, "size": 4}, 'The option "size" of full must be odd; got 4.'),
        ({"strength": 1, "whole": 1.5}, "is wrong (parts are not allowed); got 1.5."),
        (
            {"strength": 1, "shape": [1]},
            'The option "shape" of full is wrong (field required); got [1].',
        ),
        ({"strength": 1, "shape": [1, "a"]}, "must be a valid integer"),
        ({"strength": 1, "norm": "x" * 500}, "..."),
        ({"strength": 1e308}, "must be 0 or from 1e-37 to 1e+37 in size; got 1e+308."),
        ({"strength": "1e-300"}, "must be 0 or from 1e-37 to 1e+37 in size; got '1e-300'."),
        ({"strength": 1, "whole": -1e38}, "must be 0 or from 1e-37 to 1e+37 in size"),
        ({"strength": 1, "size": 2**63 + 1}, "must be an integer of 64 bits"),
        ({"strength": 1, "shape": [1, 10**30]}, "must be an integer of 64 bits"),
        ({"strength": 1, "s" * 500: 1}, 'has no option "sss'),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(options, text):
    message = fault(Full, **options)
    assert text in message
    assert len(message) < 200
    assert len(message.splitlines()) == 1


def test_values_are_converted_sensibly():
    made = Full(
        strength="0.5",
        size="5",
        shape=[3, "4"],
        kernel="k.npy",
        restart="False",
        sigma=1,
        decay=np.float32(0.5),
    )
    assert made == Full(
        strength=0.5, size=5, shape=(3, 4), kernel=Path("k.npy"), restart=False, sigma=1.0
    )
    assert type(made.sigma) is float
    assert type(made.decay) is float
    assert Full(strength=np.float64(2), size=np.int64(3)).size == 3
    assert Full(strength=1, either=[1, 2]).either == (1, 2)
    assert Full(strength=1, sigma=None).sigma is None


def test_only_given_options_are_returned():
    assert validate(Full, {"strength": 1}) == {"strength": 1.0}


def test_components_come_as_text_spec_or_object(components):
    own = Full(strength=3)
    assert Wrapper(inner=own).inner is own
    assert Wrapper(inner="full").inner == Full(strength=1)
    assert Wrapper(inner=Spec("full", {"size": 5})).inner == Full(strength=1, size=5)
    made = Wrapper(many=["full", own, Spec("full", {"norm": "l2"})], listed=["full"])
    assert made.many == (Full(strength=1), own, Full(strength=1, norm="l2"))
    assert made.listed == [Full(strength=1)]


def test_faults_inside_components_say_where(components):
    message = fault(Wrapper, inner=Spec("full", {"size": 4, "nrom": 1}), many=["fool"], other=1)
    assert 'In the option "inner" of wrapper: ' in message
    assert 'full has no option "nrom" (did you mean "norm"?)' in message
    assert 'The option "size" of full must be odd; got 4.' in message
    assert 'In the option "many" of wrapper: Unknown denoiser "fool".' in message
    assert 'wrapper has no option "other"; it has: inner, many, listed.' in message
    assert "must be an instance of Base" in fault(Wrapper, inner=3)


def test_abstract_classes_say_what_is_missing():
    class Unfinished(Base, ABC):
        @abstractmethod
        def denoise(self) -> None: ...

        @abstractmethod
        def again(self) -> None: ...

    with pytest.raises(
        OptionError, match="Unfinished cannot be used yet: it must define again, denoise"
    ):
        Unfinished()


def test_a_class_without_options_says_so():
    class Bare(Base):
        pass

    assert Bare()
    assert fault(Bare, a=1) == 'bare has no option "a"; it has: none.'


def test_options_without_or_with_odd_annotations_work():
    class Local:
        pass

    class Odd(Base):
        def __init__(
            self,
            *,
            free=3,
            text: "a number above 0" = 1,  # noqa: F722
            unknown: Missing | None = None,
            local: Local | None = None,
            broken: Annotated[float, Gt(0)].nothing = 1.0,
            value: 3 = 3,
            checked: Annotated[int, Gt(0)] = 1,
            implicit: float = None,  # noqa: RUF013
            copy: int = 1,
            schema: int = 2,
            model_config: int = 3,
            _private: int = 4,
        ) -> None:
            self.kept = [free, text, unknown, broken, value]
            self.shadows = (copy, schema, model_config, _private)
            self.implicit = implicit

    anything = object()
    made = Odd(free=anything, text="x", unknown=5, broken="y", value=[], local=Local())
    assert made.kept == [anything, "x", 5, "y", []]
    assert Odd(implicit=None).implicit is None
    assert Odd(copy=5, schema=6, model_config=7, _private=8).shadows == (5, 6, 7, 8)
    assert fault(Odd, checked=0, implicit="x", copy="y").count("\n") == 2  # the others stay checked
    assert fault(Odd, fre=0).startswith(
        'odd has no option "fre" (did you mean "free"?); it has: free, text'
    )
    assert [option.name for option in options_of(Odd)][:3] == ["free", "text", "unknown"]


def test_inherited_fields_keep_their_checks_and_descriptions(tmp_path, monkeypatch):
    """A subclass in another module need not import the names that its base's annotations use."""
    (tmp_path / "elsewhere.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from test_options_base import Full\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Heir(Full):\n"
        '    """An heir.\n\n    Args:\n        more: one more.\n    """\n'
        "    more: int = 1\n"
    )
    import sys

    monkeypatch.setitem(sys.modules, "test_options_base", sys.modules[__name__])
    monkeypatch.syspath_prepend(tmp_path)
    from elsewhere import Heir

    assert "greater than 0" in fault(Heir, strength=-1)
    described = {option.name: option.description for option in options_of(Heir)}
    assert described["more"] == "one more."
    assert described["norm"] == "which norm."


def test_ordinary_parameters_pass_through_from_python_only():
    class Sized(Base):
        def __init__(self, shape: tuple[int, ...], plain: str = "p", *, size: int = 1) -> None:
            self.all = (shape, plain, size)

    assert Sized((1,), size="2").all == ((1,), "p", 2)
    assert Sized(shape=(1,), plain="q").all == ((1,), "q", 1)
    with pytest.raises(OptionError, match=r'no option "shape" .*options are keyword-only'):
        validate(Sized, {"shape": (1,)})


def test_describing_options():
    rows = {option.name: option for option in options_of(Full)}
    assert list(rows)[:3] == ["strength", "norm", "size"]
    assert rows["strength"].required
    assert rows["strength"].default is REQUIRED
    assert rows["strength"].description == "how much, on two lines."
    assert rows["norm"].description == "which norm."
    assert rows["decay"].description == ""
    assert not rows["norm"].required
    assert rows["norm"].default == "l1"
    assert {name: row.type for name, row in rows.items()} == {
        "strength": "float > 0",
        "norm": "l1 | l2",
        "size": "int",
        "decay": "float >= 0, < 1",
        "sigma": "float > 0",
        "shape": "[int, int]",
        "kernel": "Path",
        "restart": "bool",
        "either": "int or [int, int]",
        "whole": "float",
    }
    assert [row.type for row in options_of(Wrapper)] == [
        "a component of denoisers",
        "[a component of denoisers, ...]",
        "[a component of denoisers, ...]",
    ]


def test_values_are_read_back_from_attributes():
    cls, values = option_values(Full(strength=2))
    assert cls is Full
    assert values["strength"] == 2.0
    assert values["shape"] == (1, 2)
    assert "sigma" not in values  # absent ones are left out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MaxSteps", "max-steps"),
        ("PnP", "pnp"),
        ("TV", "tv"),
        ("LBFGS", "lbfgs"),
        ("WaveletDenoiser", "wavelet-denoiser"),
    ],
)
def test_plain_names(name, text):
    assert plain_name(type(name, (), {})) == text
