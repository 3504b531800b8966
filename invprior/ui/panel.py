"""One restoration on the page: its image, its curve, how it ended, and what can be taken away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

from nicegui import ui

from invprior.errors import InvpriorError
from invprior.ui import drawing
from invprior.ui.run import Restoration


class Panel:
    """Shows a run as it goes on.

    Args:
        run: the restoration.
    """

    def __init__(self, run: Restoration) -> None:
        self.run, self.seen, self.ended = run, b"", False
        with ui.card().classes("panel") as self.card:
            ui.html(f"<h2>{escape(run.choice.prior)}</h2>", sanitize=False)
            self.image = ui.html("", sanitize=False)
            self.state = ui.label().classes("state").props("role=status aria-live=off")
            self.curve = ui.html("", sanitize=False)

    def refresh(self) -> None:
        """Show what is new."""
        run = self.run
        if self.ended:
            return
        state = (
            run.state
        )  # read first: the run goes on, and what it says at its end comes before its state
        picture = run.pictures.get("restoration") or run.pictures.get("measurement") or b""
        if picture != self.seen:
            self.seen = picture
            alt = escape(f"Estimate by {run.choice.prior}")
            self.image.set_content(
                f'<img class="picture" src="{drawing.uri(picture)}" alt="{alt}">'
            )
        left = "" if run.left is None else f"; at most {run.left:.0f} s left"
        text = {"waiting": "Waiting for the run before it"}.get(state, f"{run.message}{left}")
        self.state.set_text(text)
        self.curve.set_content(drawing.curve(run.curve, run.measure))
        if state in ("done", "failed"):
            self.ended = True
            self._end()

    def _end(self) -> None:
        run = self.run
        if run.state == "failed":
            self.state.classes("fault").props("role=alert")
            return
        assert run.solution is not None
        with self.card:
            for note in run.solution.notes:
                ui.label(note).classes("note")
            with ui.row():
                for label, suffix in (("PNG", ".png"), ("TIFF", ".tif")):
                    self._button(label, partial(run.file, suffix), f"restoration{suffix}")
                self._button("Record", lambda: run.record().encode(), "restoration.json")
            with ui.expansion("The same elsewhere").classes("options"):
                ui.label("In a terminal:").classes("note")
                ui.code(run.choice.command, language="bash")
                ui.label("In Python:").classes("note")
                ui.code(run.choice.python, language="python")

    def _button(self, label: str, content: Callable[[], bytes], name: str) -> None:
        def save() -> None:
            try:
                ui.download.content(content(), name)
            except InvpriorError as error:  # a format may not hold the image
                ui.notify(str(error), type="warning")

        ui.button(label, on_click=save).props("outline size=sm")
