"""The code in a Markdown page, and how to run it: shared by the tests and by the site, which shows the images.

A comment before a block says what is special about it:

* `not run: REASON` leaves it out,
* `exit code: N` is that of a block of commands that must fail,
* `image: CAPTION` shows, in the site, the PNG files that the block writes.
"""

from __future__ import annotations

import contextlib
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^\n]*) -->\n+)?```(?P<language>[\w{}-]*)[^\n]*\n(?P<text>.*?)^```$",
    re.M | re.S,
)
IMAGE = "image: "


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        language: what stands behind the fence.
        text: what is in it.
        line: the text's first line in the page.
        end: where the block ends in the page, in characters.
        note: the comment before it.
    """

    language: str
    text: str
    line: int
    end: int
    note: str

    @property
    def run(self) -> bool:
        """Whether it is run."""
        return not self.note.startswith("not run: ")

    @property
    def exit_code(self) -> int:
        """Of its commands."""
        return int(self.note.removeprefix("exit code: ")) if self.note.startswith("exit") else 0

    @property
    def caption(self) -> str:
        """Of the images that it writes; empty where none is shown."""
        return self.note.removeprefix(IMAGE) if self.note.startswith(IMAGE) else ""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each `$ invprior` command with the output shown below it."""
        parts = [part.partition("\n") for part in self.text.split("$ ")]
        return [(c, shown) for c, _, shown in parts if c.startswith("invprior ")]


def blocks(text: str, language: str) -> list[Block]:
    """List the blocks of a language that are run."""
    found = [
        Block(
            m["language"],
            m["text"],
            text[: m.start("text")].count("\n") + 1,
            m.end(),
            m["note"] or "",
        )
        for m in FENCE.finditer(text)
    ]
    return [b for b in found if b.language == language and b.run]


def run_python(page: Path, folder: Path) -> Iterator[Block]:
    """Run a page's Python in a folder, block by block; yield each block when it has run.

    The blocks of a page share a namespace.
    """
    module = types.ModuleType(f"page_{page.stem}".replace("-", "_"))
    sys.modules[module.__name__] = module  # where classes look their types up
    try:
        for block in blocks(page.read_text(), "python"):
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            with contextlib.chdir(folder):
                exec(code, vars(module))
            yield block
    finally:
        del sys.modules[module.__name__]
