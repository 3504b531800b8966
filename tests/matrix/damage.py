"""Damage to files of a matrix, drawn from a seed: of letters, and of values under a checksum that fits."""

import copy

# Types and sizes that the fields do not have, and texts that somebody might put into them.
VALUES = (
    None, True, -1, 0, 3, 1.5, -0.0, 1e308, 10**30, 2**63, "", "x", "nan", "-inf", "../../x", "/etc/passwd", ".", "..",
    "a/b", "a\0b", "\x1b[31m", "\u202ex", "=1+1", "x" * 300, "tv", "tv:weight=-1", "tv(", "99TB", "cuda:7", [], [1],
    ["x", "x"], [[[]]], {}, {"x": 1}, {"": {}},
)  # fmt: skip
WORDS = (
    '"',
    "{",
    "}",
    "[",
    "]",
    "[" * 3000,
    "\\",
    "\n",
    "=",
    "0" * 5000,
    "*a" * 25,
    "NaN",
    "\\ud800",
    "\x00",
    "é",
)


def letters(text, draw):
    """Change, remove or insert a few letters."""
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at, length = draw.randrange(len(text) + 1), draw.choice((0, 1, 1, 10, 200))
        new = draw.choice((*WORDS, chr(draw.randrange(32, 127)), str(draw.randrange(10))))
        text = text[:at] + draw.choice(("", new, new)) + text[at + length :]
    return text


def values(whole, draw):
    """Return a JSON object with another value in one place, or without it."""
    whole = copy.deepcopy(whole)
    holder, key = draw.choice(list(places(whole)))
    kind = draw.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder[key], str):
        holder[key] = letters(holder[key], draw)
    elif kind == 2 and isinstance(holder[key], int | float):
        holder[key] = draw.choice(
            (-holder[key], holder[key] * 1000, float(holder[key]), holder[key] + 1)
        )
    elif kind == 3 and isinstance(holder, dict):
        holder[draw.choice(("later", "../x", "\x1b", key.upper()))] = holder.pop(key)
    else:
        holder[key] = draw.choice(VALUES)
    return whole


def places(value):
    """Yield every place in nested objects and lists, as its holder and its key."""
    keys = (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    for key in keys:
        yield value, key
        yield from places(value[key])
