"""Text from files, plugins and users, made safe to show.

Names and messages may hold control characters: an escape code moves a terminal's cursor or changes its title, and
U+202E reverses the letters after it. They are shown as escapes, so that a reader sees that they are there.
"""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"  # messages have several lines
# Control and format characters, halves of surrogate pairs, and separators of lines and paragraphs.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    r"""Return a text in which characters that are no glyphs stand as escapes, such as `\x1b` and `\u202e`.

    Line feeds and tabs are kept. The result can always be encoded, also where the name of a file is no UTF-8.
    """
    if text.isprintable():  # most texts are, and this is fast
        return text
    return "".join(_escaped(c) if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    return character not in _KEPT and unicodedata.category(character) in _HIDDEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
