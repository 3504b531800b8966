"""Text that is safe to show."""

import pytest

from invprior.io.plain_text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("camera.png: 3 × 4, σ = 0.1", "camera.png: 3 × 4, σ = 0.1"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # the same escape in one byte
        ("a\r\x08b\x7f", r"a\r\x08b\x7f"),
        ("gnp.\u202efdp", r"gnp.\u202efdp"),
        ("a\u2066b\u200fc\u2028d", r"a\u2066b\u200fc\u2028d"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\udcff.png", r"\udcff.png"),  # of a name that is no UTF-8
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_what_is_no_glyph_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode()
