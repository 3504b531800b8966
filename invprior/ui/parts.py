"""The form of one part: which plugin, its options, and both as text that can be edited."""

from __future__ import annotations

from nicegui import ui

from invprior.ui import forms
from invprior.ui.choice import spec_text


class PartForm:
    """Fields for a plugin of one kind.

    The text is what is used. The other fields write it, and the reader may edit it, for instance to add a second term.

    Args:
        label: what the part is.
        group: the kind of plugin.
        start: the plugin at first; "" for none.
        none: how the list names that there is none; None if there must be one.
    """

    def __init__(self, label: str, group: str, start: str, none: str | None = None) -> None:
        self.group = group
        named = ({} if none is None else {"": none}) | forms.names(group)
        with ui.card().classes("part"):
            self.name = ui.select(named, value=start, label=label, on_change=self._build)
            self.text = ui.input(f"{label} as text")
            self.about = ui.label().classes("note")
            self.options = ui.expansion("Options").classes("options")
        self.fields: dict[str, ui.input | ui.select] = {}
        self._build()

    def _build(self) -> None:
        self.options.clear()
        self.fields = {}
        self.options.set_visibility(bool(self.name.value))
        about, found = forms.explained(self.group, self.name.value) if self.name.value else ("", [])
        self.about.set_text(about)
        with self.options:
            for field in found:
                if field.choices:
                    values = {"": "default"} | {value: value for value in field.choices}
                    made = ui.select(values, value="", label=field.name, on_change=self._write)
                else:
                    made = ui.input(field.name, on_change=self._write)
                self.fields[field.name] = made
                ui.label(field.hint).classes("note")
        self._write()

    def _write(self) -> None:
        values = {name: field.value or "" for name, field in self.fields.items()}
        self.text.set_value(spec_text(self.name.value, values) if self.name.value else "")
