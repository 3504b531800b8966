"""Find and run the code of a Markdown page; used by the tests and by the site, which shows the images.

A comment before a block marks a special case:

* `not run: REASON` skips the block,
* `exit code: N` marks commands that must fail with this code,
* `image: CAPTION` shows the PNG files that the block writes in the site.
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
        language: the word after the opening fence.
        text: the content.
        line: number of the content's first line in the page, from 1.
        end: position of the block's end in the page, in characters.
        note: the comment before the block, or "".
    """

    language: str
    text: str
    line: int
    end: int
    note: str

    @property
    def run(self) -> bool:
        """Whether the block runs."""
        return not self.note.startswith("not run: ")

    @property
    def exit_code(self) -> int:
        """The exit code that its commands must have."""
        return int(self.note.removeprefix("exit code: ")) if self.note.startswith("exit") else 0

    @property
    def caption(self) -> str:
        """The caption of the images that it writes; empty if the site shows none."""
        return self.note.removeprefix(IMAGE) if self.note.startswith(IMAGE) else ""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each `$ invprior` command with the output below it."""
        parts = [part.partition("\n") for part in self.text.split("$ ")]
        return [(c, shown) for c, _, shown in parts if c.startswith("invprior ")]


def blocks(text: str, language: str) -> list[Block]:
    """Return the blocks of a language that run."""
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
    """Run a page's Python in a folder, block by block; yield each block after it ran.

    The blocks of a page share a namespace.
    """
    module = types.ModuleType(f"page_{page.stem}".replace("-", "_"))
    sys.modules[module.__name__] = module  # where dataclasses look up their annotations
    try:
        for block in blocks(page.read_text(), "python"):
            # the empty lines make tracebacks point to the line of the page
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            with contextlib.chdir(folder):
                exec(code, vars(module))
            yield block
    finally:
        del sys.modules[module.__name__]
