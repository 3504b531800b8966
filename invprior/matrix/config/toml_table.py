"""Reading a TOML table with every fault told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invprior.errors import did_you_mean


class TomlTable:
    """A table whose keys are taken one by one; what is left at the end is a fault.

    Args:
        values: the table as parsed.
        where: how messages name it, such as "[limits]" or "priors[2]".
        faults: the list that faults are added to, shared by all tables of a file.
    """

    def __init__(self, values: Mapping[str, Any], where: str, faults: list[str]) -> None:
        self.values, self.where, self.faults = values, where, faults
        self.known: list[str] = []

    def fault(self, key: str, must: str, got: object) -> None:
        """Note that a key's value is not what it must be."""
        self.faults.append(f'The key "{key}" of {self.where} must be {must}; got {got!r}.')

    def take(self, key: str) -> Any:
        """Give a value, None where it is absent."""
        self.known.append(key)
        return self.values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.fault(key, "a text", value)
        return default

    def switch(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(key, "true or false", value)
        return default

    def whole(self, key: str, default: int, least: int = 0) -> int:
        """A whole number from `least` on."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.fault(key, f"a whole number >= {least}", value)
            return default
        return value

    def positive(self, key: str, default: float) -> float:
        """A number above 0."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
            self.fault(key, "a number > 0", value)
            return default
        return float(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of some words."""
        value = self.take(key)
        if value is None or value in choices:
            return default if value is None else str(value)
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        self.fault(key, f"one of {', '.join(choices)}{near}", value)
        return default

    def items(self, key: str, kinds: tuple[type, ...], what: str) -> list[Any] | None:
        """A list whose entries are of some types and differ; None where it is absent."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self.fault(key, f"a list of {what}", value)
            return []
        good = []
        for item in value:
            if isinstance(item, bool) or not isinstance(item, kinds):
                self.fault(key, f"a list of {what}", item)
            elif item in good:
                self.faults.append(f'The key "{key}" of {self.where} holds {item!r} twice.')
            else:
                good.append(item)
        return good

    def tables(self, key: str) -> Iterator[TomlTable]:
        """Tables inside this one, from a table or from a list of them."""
        value = self.take(key)
        if isinstance(value, dict):
            yield TomlTable(value, f"[{key}]", self.faults)
        elif isinstance(value, list):
            for number, item in enumerate(value, 1):
                if isinstance(item, dict):
                    yield TomlTable(item, f"{key}[{number}]", self.faults)
                else:
                    self.fault(key, "a list of tables", item)
        elif value is not None:
            self.fault(key, "a table", value)

    def finish(self) -> None:
        """Note the keys that nothing has asked for."""
        for key in self.values:
            if key not in self.known:
                near = did_you_mean(key, self.known)
                where = self.where.replace("the matrix", "The matrix")
                known = ", ".join(self.known)
                self.faults.append(f'{where} has no key "{key}"{near}; it has: {known}.')
