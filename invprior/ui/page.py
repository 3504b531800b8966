"""The page: forms on one side, restorations on the other."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from nicegui import ui

from invprior.io import samples
from invprior.ui import drawing
from invprior.ui.choice import Choice
from invprior.ui.panel import Panel
from invprior.ui.parts import PartForm
from invprior.ui.run import Restoration, start
from invprior.ui.style import STYLE

_PERIOD = 0.3  # seconds between two looks at the runs
_LARGEST = 500_000_000  # bytes of a file
_SIZES = {64: "64 pixels", 128: "128 pixels", 256: "256 pixels"}


class Page:
    """One reader's page; each tab of a browser has its own."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="invprior-ui-")
        self.upload: tuple[Path, str] | None = None  # the file, and its name on the reader's side
        self.runs: list[Restoration] = []

    def build(self) -> None:
        """Make the elements of the page."""
        ui.add_css(STYLE)
        ui.colors(primary="#00598c")  # white text on it is readable
        ui.context.client.on_delete(self._close)
        with ui.element("main"):
            ui.html("<h1>invprior</h1>", sanitize=False)
            with ui.element("div").classes("columns"):
                with ui.element("section").props('aria-label="What to restore"').classes("form"):
                    self._form()
                with ui.element("section").props('aria-label="Restorations"').classes("results"):
                    self.problem = ui.label().classes("fault").props("role=alert")
                    self.panels = ui.element("div").classes("panels")
                    self._comparison()
        ui.timer(_PERIOD, self.refresh)

    def _form(self) -> None:
        with ui.card().classes("part"):
            names = {name: name for name in samples.names()}
            self.sample = ui.select(
                names, value="camera", label="Sample image", on_change=self._forget
            )
            self.size = ui.select(_SIZES, value=128, label="Size of the sample")
            ui.upload(
                label="Or drop an image here", auto_upload=True, max_files=1, max_file_size=_LARGEST,
                on_upload=self._receive, on_rejected=lambda: ui.notify("This file is too large."),
            ).props("flat bordered").classes("upload")  # fmt: skip
            self.source = ui.label("The sample is restored.").classes("note")
            self.given = ui.checkbox("The file is a measurement; simulate none", value=False)
            self.given.set_visibility(False)
        self.operator = PartForm("Operator", "operators", "blur")
        self.noise = PartForm("Noise", "noises", "", none="default, or estimated")
        self.first = PartForm("Prior", "priors", "tv")
        self.second = PartForm("Second prior", "priors", "", none="none")
        with ui.card().classes("part"):
            self.steps = ui.input("Largest number of steps", placeholder="that of the rule")
            self.seed = ui.input("Seed", value="0")
        with ui.row():
            self.restore = ui.button("Restore", on_click=self.begin)
            self.halt = ui.button("Stop", on_click=self.stop).props("outline")
            self.halt.set_enabled(False)

    def _comparison(self) -> None:
        with ui.card().classes("comparison") as self.compared:
            with ui.row():
                self.left = ui.select([], label="Left", on_change=self._compare)
                self.right = ui.select([], label="Right", on_change=self._compare)
            self.stage = ui.html("", sanitize=False)
        self.compared.set_visibility(False)

    async def _receive(self, event: Any) -> None:
        suffix = "".join(re.findall(r"\.\w{1,8}", event.file.name)[-2:])
        path = Path(self.folder.name, f"image{suffix}")
        path.write_bytes(await event.file.read())
        self.upload = path, event.file.name
        self.source.set_text(f"{event.file.name} is restored.")
        self.given.set_visibility(True)

    def _forget(self) -> None:
        self.upload = None
        self.source.set_text("The sample is restored.")
        self.given.set_visibility(False)

    def choices(self) -> list[Choice]:
        """Return what the form asks for, one for each prior.

        Raises:
            ValueError: a number is none; the message names it.
        """
        steps, seed = _integer("steps", self.steps.value), _integer("seed", self.seed.value)
        sample = f"{samples.PREFIX}{self.sample.value}:{self.size.value}"
        image, shown = self.upload or (sample, sample)
        return [
            Choice(
                image=str(image), shown=shown, simulate=self.upload is None or not self.given.value,
                operator=self.operator.text.value, prior=prior, noise=self.noise.text.value, steps=steps,
                seed=seed or 0,
            )
            for prior in (self.first.text.value, self.second.text.value) if prior
        ]  # fmt: skip

    def begin(self) -> None:
        """Restore by each prior."""
        try:
            choices = self.choices()
        except ValueError as error:
            self.problem.set_text(str(error))
            return
        self.problem.set_text("")
        self.runs = [Restoration(choice) for choice in choices]
        self.panels.clear()
        with self.panels:
            self.shown = [Panel(run) for run in self.runs]
        self.compared.set_visibility(False)
        self.restore.set_enabled(False)
        self.halt.set_enabled(True)
        start(self.runs)

    def stop(self) -> None:
        """End the runs at their next step."""
        for run in self.runs:
            run.stop()

    def refresh(self) -> None:
        """Show how far the runs are."""
        if not self.runs or self.restore.enabled:
            return
        for panel in self.shown:
            panel.refresh()
        if all(panel.ended for panel in self.shown):
            self.restore.set_enabled(True)
            self.halt.set_enabled(False)
            self._offer()

    def _offer(self) -> None:
        """Let the reader compare any two of the images that have the same size."""
        self.images: dict[str, bytes] = {}
        for run in self.runs:
            found = dict(run.pictures)
            result = found.pop("restoration", None)
            self.images |= found
            if result and run.state == "done":
                self.images[run.choice.prior] = result
        names = list(self.images)
        done = [run.choice.prior for run in self.runs if run.state == "done"]
        if not done or len(names) < 2:
            return
        self.left.set_options(names, value=done[0] if len(done) > 1 else names[0])
        self.right.set_options(names, value=done[-1])
        self.compared.set_visibility(True)
        self._compare()

    def _compare(self) -> None:
        pair = [
            (name, self.images[name])
            for name in (self.left.value, self.right.value)
            if name in self.images
        ]
        if len(pair) == 2:
            self.stage.set_content(drawing.compared(*pair))

    def _close(self) -> None:
        self.stop()  # nobody is there to see the result
        self.folder.cleanup()


def _integer(name: str, text: str) -> int | None:
    if not (text or "").strip():
        return None
    if not text.strip().isdecimal():
        raise ValueError(f'The option "{name}" must be an integer; got "{text}".')
    return int(text)
