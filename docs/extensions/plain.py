"""Turn the plain text of docstrings and of `--help` into Markdown that reads the same."""

from __future__ import annotations

import re
from collections.abc import Iterator


def escaped(text: str) -> str:
    """Return prose as one line, with Markdown's characters escaped and options set as code."""
    text = re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", " ".join(text.split()))
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        p if p.startswith("`") else re.sub(r"[\\*_<>\[\]|$#~]", r"\\\g<0>", p) for p in parts
    )


def paragraphs(text: str) -> str:
    """Convert paragraphs: those that are indented stay as they are, lists stay lists, all others are prose."""
    return "\n\n".join(map(_paragraph, re.split(r"\n\s*\n", text.strip("\n"))))


def _paragraph(text: str) -> str:
    if text.startswith("    "):
        lines = "\n".join(line.removeprefix("    ") for line in text.splitlines())
        return f"```text\n{lines}\n```"
    return "\n".join(_items(text)) if text.startswith("* ") else escaped(text)


def _items(text: str) -> Iterator[str]:
    """Yield the items of a list, one line each."""
    for item in re.split(r"^\* ", text, flags=re.M)[1:]:
        yield f"* {escaped(item)}"
