"""Read a TOML table and collect every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invprior.errors import did_you_mean
from invprior.matrix.config import deprecated


class TomlTable:
    """A table whose keys are taken one by one. Keys that are left at the end are faults.

    Args:
        values: the table as parsed; old spellings are translated.
        where: how messages name it, such as "[limits]" or "priors[2]".
        faults: the list that faults are added to, shared by all tables of a file.
        notes: the list that notes on old spellings are added to, shared likewise.
    """

    def __init__(
        self, values: Mapping[str, Any], where: str, faults: list[str], notes: list[str]
    ) -> None:
        self.values = deprecated.table(values, where, notes)
        self.where, self.faults, self.notes = where, faults, notes
        self.known: list[str] = []

    def fault(self, key: str, must: str, got: object) -> None:
        """Note that the value of a key breaks its constraint."""
        shown = repr(got)
        shown = f"{shown[:200]}..." if len(shown) > 200 else shown
        self.faults.append(f'The key "{key}" of {self.where} must be {must}; got {shown}.')

    def take(self, key: str) -> Any:
        """Return a value, or None if the key is absent."""
        self.known.append(key)
        return self.values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a string."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.fault(key, "a string", value)
        return default

    def switch(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(key, "true or false", value)
        return default

    def integer(self, key: str, default: int, least: int = 0) -> int:
        """Return an integer of at least `least`."""
        value = self.take(key)
        if value is None:
            return default
        # In Python, True is an int; in TOML, true is not.
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.fault(key, f"an integer >= {least}", value)
            return default
        return value

    def positive(self, key: str, default: float) -> float:
        """Return a number above 0; infinity is refused."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
            self.fault(key, "a number > 0", value)
            return default
        return float(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of several words."""
        value = self.take(key)
        if value is None or value in choices:
            return default if value is None else str(value)
        near = did_you_mean(value, choices) if isinstance(value, str) else ""
        self.fault(key, f"one of {', '.join(choices)}{near}", value)
        return default

    def items(self, key: str, kinds: tuple[type, ...], what: str) -> list[Any] | None:
        """Return a list of distinct entries of the given types, or None if the key is absent."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self.fault(key, f"a list of {what}", value)
            return []
        good: dict[str, Any] = {}  # by their text, as tables have no hash
        for item in value:
            if isinstance(item, bool) or not isinstance(item, kinds):
                self.fault(key, f"a list of {what}", item)
            elif repr(item) in good:
                self.faults.append(f'The key "{key}" of {self.where} has {item!r} twice.')
            else:
                good[repr(item)] = item
        return list(good.values())

    def tables(self, key: str) -> Iterator[TomlTable]:
        """Yield the tables inside this one: a single table, or a list of them."""
        value = self.take(key)
        if isinstance(value, dict):
            yield self.inner(value, f"[{key}]")
        elif isinstance(value, list):
            for number, item in enumerate(value, 1):
                if isinstance(item, dict):
                    yield self.inner(item, f"{key}[{number}]")
                else:
                    self.fault(key, "a list of tables", item)
        elif value is not None:
            self.fault(key, "a table", value)

    def inner(self, values: Mapping[str, Any], where: str) -> TomlTable:
        """Return a table whose faults and notes go where this one's go."""
        return TomlTable(values, where, self.faults, self.notes)

    def finish(self) -> None:
        """Note the keys that have not been taken."""
        for key in self.values:
            if key not in self.known:
                near = did_you_mean(key, self.known)
                where = self.where.replace("the matrix", "The matrix")
                known = ", ".join(self.known)
                self.faults.append(f'{where} has no key "{key}"{near}; it has: {known}.')
