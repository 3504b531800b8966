"""The grammar that names a component and its options.

    blur:sigma=1.6,boundary=reflect            a name and its options
    pnp:denoiser=nlm(patch=5)                  a component inside an option
    compose:operators=[blur(sigma=2), downsample(factor=2)]
    dip + tv:weight=0.1                        a sum of terms (`parse_sum`)
    discrepancy | max-steps:steps=500          stopping rules joined by | and & (`parse_rule`)

Values are TOML: numbers, booleans, quoted strings, lists. A word that is not a TOML value is a string,
so quotes are needed only around characters that the grammar itself uses. `str(spec)` prints text that
parses to an equal spec.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from invprior.errors import SpecError

T = TypeVar("T")
Value: TypeAlias = "bool | int | float | str | Spec | list[Value]"

# Limits of a text that anyone may have written, far above what people write: an error is found in a moment, and no
# nesting exhausts Python's stack.
LONGEST = 100_000
DEEPEST = 50
_SHOWN = 200  # characters before and behind a fault

_NAME = re.compile(r"[A-Za-z_][\w.-]*(?:/[A-Za-z_][\w.-]*)?")
_KEY = re.compile(r"[A-Za-z_][\w-]*")
_DIGITS = r"\d+(?:_\d+)*"
# A number ends at a delimiter, so that "3x3" and "1e" stay words. No digit can be matched in two ways: a long word of
# digits would take the square of its length to refuse.
_NUMBER = re.compile(
    rf"[+-]?(?:(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?\d+)?|inf|nan)(?=[\s,)\]+|&]|$)"
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_BARE = re.compile(r"[^\s,()\[\]+|&=\"']+")


@dataclass(frozen=True)
class Spec:
    """A component's name and its options; absent options take the plugin's default.

    Attributes:
        name: the name, plain or as `package/name`.
        options: values by name; hyphens in names become underscores.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options = {key.replace("-", "_"): value for key, value in self.options.items()}
        object.__setattr__(
            self, "options", MappingProxyType(options)
        )  # read-only, as specs are hashed

    def __hash__(self) -> int:  # only the names: 1 equals 1.0, and equal specs may differ in order
        return hash((self.name, frozenset(self.options)))

    def __reduce__(self) -> tuple[type[Spec], tuple[str, dict[str, Value]]]:
        return Spec, (self.name, dict(self.options))  # a mapping proxy cannot be pickled or copied

    def __str__(self) -> str:
        pairs = _print_pairs(self.options)
        return f"{self.name}:{pairs}" if pairs else self.name

    def nested(self) -> str:
        """Return the form used inside another spec's option, `name(key=value)`."""
        return f"{self.name}({_print_pairs(self.options)})"


@dataclass(frozen=True)
class RuleSpec:
    """Stopping rules joined by `|` (any) or `&` (all).

    Attributes:
        joint: "|" or "&".
        parts: the rules.
    """

    joint: str
    parts: tuple[Spec | RuleSpec, ...]

    def __str__(self) -> str:
        # `&` binds tighter than `|`, so only `&` inside `|` needs no parentheses.
        bare = "&" if self.joint == "|" else ""
        texts = [
            f"({p})" if isinstance(p, RuleSpec) and p.joint != bare else str(p) for p in self.parts
        ]
        return f" {self.joint} ".join(texts)


def parse(text: str) -> Spec:
    """Parse the text of one component.

    Raises:
        SpecError: the text does not follow the grammar; the message points at the position.
    """
    parser = _Parser(text)
    return parser.finish(parser.term())


def parse_sum(text: str) -> tuple[Spec, ...]:
    """Parse terms joined by `+`; raises as `parse` does."""
    parser = _Parser(text)
    terms = [parser.term()]
    while parser.take("+"):
        terms.append(parser.term())
    return parser.finish(tuple(terms))


def parse_rule(text: str) -> Spec | RuleSpec:
    """Parse stopping rules joined by `|` and `&`; `&` binds tighter, and parentheses group."""
    parser = _Parser(text)
    return parser.finish(parser.joined("|"))


class _Parser:
    """A recursive-descent parser; `at` is the position of the next character, `depth` the number of open brackets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        if len(text) > LONGEST:
            raise self.fault(f"it has {len(text):,} characters, and at most {LONGEST:,} are read")

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, symbol: str) -> bool:
        self.skip()
        found = self.text.startswith(symbol, self.at)
        if found:
            self.depth += (symbol in "([") - (symbol in ")]")
            if self.depth > DEEPEST:
                raise self.fault(f"more than {DEEPEST} brackets are open")
            self.at += len(symbol)
        return found

    def match(self, pattern: re.Pattern[str]) -> str | None:
        self.skip()
        found = pattern.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found.group()

    def need(self, symbol: str, after: str) -> None:
        if not self.take(symbol):
            raise self.fault(f'expected "{symbol}" {after}')

    def fault(self, what: str) -> SpecError:
        first = max(self.at - _SHOWN, 0)
        part = self.text[first : self.at + _SHOWN]
        return SpecError(
            f"Cannot read the spec: {what}.\n  {part}\n  {' ' * (self.at - first)}^\n"
            "Write name:key=value,key=value, "
            "with quotes around values that hold spaces, commas or + | & ( ) [ ]."
        )

    def finish(self, result: T) -> T:
        self.skip()
        if self.at < len(self.text):
            raise self.fault(f"unexpected {self.text[self.at]!r}")
        return result

    def joined(self, joint: str) -> Spec | RuleSpec:
        def part() -> Spec | RuleSpec:
            if joint == "|":
                return self.joined("&")
            if self.take("("):
                inner = self.joined("|")
                self.need(")", "to close the group")
                return inner
            return self.term()

        parts = [part()]
        while self.take(joint):
            parts.append(part())
        return parts[0] if len(parts) == 1 else RuleSpec(joint, tuple(parts))

    def term(self) -> Spec:
        name = self.match(_NAME)
        if name is None:
            raise self.fault("expected a component's name")
        if self.take(":"):
            return Spec(name, self.pairs())
        return Spec(name, self.arguments()) if self.take("(") else Spec(name)

    def arguments(self) -> dict[str, Value]:
        if self.take(")"):
            return {}
        options = self.pairs()
        self.need(")", "to close the options")
        return options

    def pairs(self) -> dict[str, Value]:
        options: dict[str, Value] = {}
        while True:
            written = self.match(_KEY)
            if written is None:
                raise self.fault("expected an option's name")
            key = written.replace("-", "_")
            if key in options:
                self.at -= len(written)  # so that the message points at the option
                raise self.fault(f'option "{key}" is given twice')
            self.need("=", f'after the option "{written}"')
            options[key] = self.value()
            if not self.take(","):
                return options

    def value(self) -> Value:
        if self.take("["):
            return self.items()
        if (quoted := self.match(_QUOTED)) is not None:
            try:
                return str(tomllib.loads(f"v={quoted}")["v"])
            except tomllib.TOMLDecodeError:
                self.at -= len(quoted)
                raise self.fault(f"{quoted} is not a TOML string") from None
        # Before bare words, which match numbers too.
        if (number := self.match(_NUMBER)) is not None:
            return _number(number)
        bare = self.match(_BARE)
        if bare is None:
            raise self.fault("expected a value")
        if self.take("("):
            return Spec(bare, self.arguments())
        return {"true": True, "false": False}.get(bare, bare)

    def items(self) -> list[Value]:
        items: list[Value] = []
        while not self.take("]"):
            items.append(self.value())
            if not self.take(","):
                self.need("]", "to close the list")
                break
        return items


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _print_pairs(options: Mapping[str, Value]) -> str:
    return ",".join(f"{key}={_print(value)}" for key, value in options.items())


def _print(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Spec):
        return value.nested()
    if isinstance(value, list | tuple):
        return "[" + ",".join(_print(item) for item in value) + "]"
    if isinstance(value, str):
        plain = (
            _BARE.fullmatch(value)
            and not _NUMBER.fullmatch(value)
            and value not in ("true", "false")
        )
        # JSON and TOML strings differ in one character: TOML forbids a plain DEL.
        return value if plain else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    # float(): the repr of a NumPy float names its type.
    return repr(value) if isinstance(value, int) else repr(float(value))
