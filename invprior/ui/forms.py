"""The fields of a plugin's form, from the same table as `invprior describe`."""

from __future__ import annotations

from dataclasses import dataclass

from invprior import registry
from invprior.errors import InvpriorError
from invprior.registry.described import described, shown_default


@dataclass(frozen=True, kw_only=True)
class Field:
    """An option as a field of a form.

    Attributes:
        hint: type, default and meaning.
        choices: the values to choose from; empty for a text field.
    """

    name: str
    hint: str
    choices: tuple[str, ...] = ()


def names(group: str) -> dict[str, str]:
    """Return the plugins of a kind: the name to write, and the name to show.

    A plugin of another package names it where invprior has one of the same name.
    """
    every = [e for e in registry.entries(group) if not e.fault]
    count = [e.name for e in every]
    written = {
        e: e.name if e.package == registry.CORE or count.count(e.name) == 1 else e.full_name
        for e in every
    }
    return {
        text: text if e.package == registry.CORE else f"{e.name} ({e.package})"
        for e, text in written.items()
    }


def fields(group: str, name: str) -> tuple[str, list[Field]]:
    """Return what a plugin is, in its first sentence, and its options.

    Raises:
        InvpriorError: its package is broken.
    """
    found = described(group, name)
    first = found.text.split("\n\n")[0].replace("\n", " ")
    made = []
    for option in found.options:
        default = "required" if option.required else f"default {shown_default(option)}"
        choices = _choices(option.type)
        hint = "; ".join(filter(None, [option.type, default, option.description]))
        made.append(Field(name=option.name, hint=hint, choices=choices))
    return first, made


def _choices(type_text: str) -> tuple[str, ...]:
    if type_text == "bool":
        return "true", "false"
    words = type_text.split(" | ")
    # A literal type is printed as its values: "l1 | l0".
    return tuple(words) if len(words) > 1 and all(w.isidentifier() for w in words) else ()


def explained(group: str, name: str) -> tuple[str, list[Field]]:
    """Return as `fields`, with the fault of a broken package in place of what the plugin is."""
    try:
        return fields(group, name)
    except InvpriorError as error:
        return str(error), []
