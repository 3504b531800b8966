"""The grammar of specs, and that what is printed parses back."""

import copy
import math
import pickle
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.errors import SpecError
from invprior.registry.spec import LONGEST, RuleSpec, Spec, parse, parse_rule, parse_sum

few = settings(deadline=None, max_examples=60)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}(/[a-z][a-z0-9-]{0,5})?", fullmatch=True)
keys = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("0123456789_.+-eEinfatrul[](),=|&\"'\\ \t\n\x7f", max_size=8),
    st.sampled_from(["true", "false", "inf", "nan", "1", "-1e5", "1_000", "unet()", "+inf", "٣"]),
)
plain = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), texts)


def specs(depth):
    if depth == 0:
        return st.builds(Spec, names, st.dictionaries(keys, plain, max_size=3))
    inner = specs(depth - 1)
    values = st.one_of(
        plain, inner, st.lists(st.one_of(plain, inner, st.lists(plain, max_size=2)), max_size=3)
    )
    return st.builds(Spec, names, st.dictionaries(keys, values, max_size=3))


def same(a, b):
    """Equality that tells 1 from 1.0 and True."""
    if isinstance(a, Spec):
        return isinstance(b, Spec) and a.name == b.name and same(dict(a.options), dict(b.options))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@few
@given(specs(2))
def test_a_spec_prints_to_text_that_parses_back(spec):
    assert same(parse(str(spec)), spec)
    assert parse(str(spec)) == spec


@few
@given(st.lists(specs(1), min_size=1, max_size=3))
def test_a_sum_prints_to_text_that_parses_back(terms):
    assert parse_sum(" + ".join(map(str, terms))) == tuple(terms)


@few
@given(
    st.recursive(
        specs(0),
        lambda inner: st.builds(
            RuleSpec, st.sampled_from("|&"), st.lists(inner, min_size=2, max_size=3).map(tuple)
        ),
        max_leaves=5,
    )
)
def test_a_rule_prints_to_text_that_parses_back(rule):
    assert parse_rule(str(rule)) == rule


@few
@given(st.text("ab:=,()[]+|&\"'\\ 1_.e-", max_size=12))
def test_any_text_parses_or_raises_a_spec_error(text):
    for read in (parse, parse_sum, parse_rule):
        with suppress(SpecError):
            read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("+3", 3),
        ("1_000", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("1e-4", 1e-4),
        ("1E+3", 1000.0),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("true", True),
        ("false", False),
        ("reflect", "reflect"),
        ("l1-norm", "l1-norm"),
        ("1__0", "1__0"),
        ("1_", "1_"),
        ("3x", "3x"),
        ("mask.png", "mask.png"),
        ("/data/mask.png", "/data/mask.png"),
        (r"C:\masks\m.png", r"C:\masks\m.png"),
        ('"1"', "1"),
        ('"true"', "true"),
        ('"a, b"', "a, b"),
        (r'"tab\t\u00e9"', "tab\té"),
        (r"'C:\new'", r"C:\new"),
        ('""', ""),
        ("[]", []),
        ("[1, 2.5, a]", [1, 2.5, "a"]),
        ("[1,]", [1]),
        ("[[1], [2, 3]]", [[1], [2, 3]]),
        ("nlm(patch=5)", Spec("nlm", {"patch": 5})),
        ("nlm()", Spec("nlm")),
        ("pkg/nlm( patch = 5 )", Spec("pkg/nlm", {"patch": 5})),
        ("[blur(sigma=2), downsample()]", [Spec("blur", {"sigma": 2}), Spec("downsample")]),
        ("a(b=c(d=[e()]))", Spec("a", {"b": Spec("c", {"d": [Spec("e")]})})),
    ],
)
def test_values(text, value):
    assert same(parse(f"x:v={text}").options["v"], value)


def test_nan_is_a_number():
    assert math.isnan(parse("x:v=nan").options["v"])


@pytest.mark.parametrize("text", ["blur", " blur ", "blur()"])
def test_a_name_alone_has_no_options(text):
    assert parse(text) == Spec("blur")


def test_dashes_and_underscores_are_one_key():
    assert parse("a:step-size=1") == parse("a:step_size=1") == Spec("a", {"step-size": 1})


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", 0, "expected a component's name"),
        ("3blur", 0, "expected a component's name"),
        ("blur:", 5, "expected an option's name"),
        ("blur:sigma", 10, 'expected "=" after the option "sigma"'),
        ("blur:sigma=", 11, "expected a value"),
        ("blur:sigma=1,", 13, "expected an option's name"),
        ("blur:sigma=1 2", 13, "unexpected '2'"),
        ("blur:sigma=1,sigma=2", 13, 'option "sigma" is given twice'),
        ("blur:a-b=1,a_b=2", 11, 'option "a_b" is given twice'),
        ("blur:a_b=1,a-b=2", 11, 'option "a_b" is given twice'),
        ("pnp:denoiser=nlm(a=1,a=2)", 21, 'option "a" is given twice'),
        ("pnp:denoiser=nlm(a=1", 20, 'expected ")" to close the options'),
        ("x:v=[1, 2", 9, 'expected "]" to close the list'),
        ('x:v="open', 4, "expected a value"),
        (r'x:v="\q"', 4, "is not a TOML string"),
        ("tv + dip", 3, "unexpected '+'"),
        ("blur)", 4, "unexpected ')'"),
    ],
)
def test_faults_point_at_the_place(text, place, what):
    with pytest.raises(SpecError) as caught:
        parse(text)
    message = str(caught.value)
    assert what in message
    lines = message.splitlines()
    assert lines[1] == f"  {text}"
    assert lines[2] == "  " + " " * place + "^"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("p:d=" + "a(b=" * 1000 + "1" + ")" * 1000, "more than 50 brackets are open"),
        ("x:v=" + "[" * 1000 + "]" * 1000, "more than 50 brackets are open"),
        ("(" * 1000 + "a" + ")" * 1000, "more than 50 brackets are open"),
        ("x:v=" + "1" * LONGEST, "at most 100,000 are read"),
        ('x:v="' + "\\" * 20_001, "expected a value"),
        ("x:v=" + "1" * 20_000 + "(", "expected an option's name"),
    ],
)
def test_long_and_deep_texts_are_refused_at_once(text, what):
    with pytest.raises(SpecError) as caught:
        parse_rule(text)
    assert what in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "word", ["1" * 20_000 + "x", "1_" * 10_000 + "x", "1." + "1" * 20_000 + "x"]
)
def test_a_long_word_of_digits_takes_no_time(word):
    assert (
        parse(f"x:v={word}").options["v"] == word
    )  # once half a minute, as digits matched in two ways


def test_brackets_side_by_side_are_not_deep():
    assert len(parse("x:v=[" + "[1]," * 200 + "]").options["v"]) == 200


def test_sums():
    assert parse_sum("dip + tv:weight=0.1+wavelet") == (
        Spec("dip"),
        Spec("tv", {"weight": 0.1}),
        Spec("wavelet"),
    )
    for text in ("dip +", "+ dip", "dip tv"):
        with pytest.raises(SpecError):
            parse_sum(text)


def test_and_binds_tighter_than_or_and_parentheses_group():
    a, b, c = Spec("a"), Spec("b", {"n": 1}), Spec("c")
    assert parse_rule("a") == a
    assert parse_rule("a | b:n=1 & c") == RuleSpec("|", (a, RuleSpec("&", (b, c))))
    assert parse_rule("(a|b:n=1)&c") == RuleSpec("&", (RuleSpec("|", (a, b)), c))
    assert parse_rule("a | b:n=1 | c") == RuleSpec("|", (a, b, c))
    with pytest.raises(SpecError, match="to close the group"):
        parse_rule("(a | c")


def test_specs_are_values():
    spec = Spec("tv", {"weight": 1, "kind": Spec("inner")})
    assert hash(spec) == hash(Spec("tv", {"kind": Spec("inner"), "weight": 1.0}))
    assert spec == Spec("tv", {"kind": Spec("inner"), "weight": 1.0})
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec
    with pytest.raises(TypeError):
        spec.options["weight"] = 2
    given_options = {"a": 1}
    made = Spec("x", given_options)
    given_options["a"] = 2
    assert made.options["a"] == 1


def test_numpy_numbers_print_as_numbers():
    assert str(Spec("tv", {"weight": np.float64(0.5)})) == "tv:weight=0.5"
