"""Write a page for each of invprior's own plugins, from what `invprior describe` shows.

The mathematics in LaTeX is the plugin's paragraph of a theory page, so that it stands in one place. What has none there
has the docstring alone, which gives the formulas in plain text.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plain import escaped, paragraphs

from invprior import registry
from invprior.registry.described import Described, described, shown_default
from invprior.registry.options import Option
from invprior.registry.spec import parse

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "reference"  # below neighbours.GENERATED
# Where each kind is explained, and how a command names one.
THEORY = {"priors": "theory.md", "solvers": "theory-solvers.md", "stopping": "theory-estimates.md"}
GUIDES = {
    "operators": ("write-an-operator.md", "Write an operator"),
    "fidelities": ("theory.md", "Theory: the problem and its terms"),
    "noises": ("noise.md", "The noise"),
    "priors": ("choosing.md", "How to choose"),
    "networks": ("networks.md", "Networks"),
    "denoisers": ("theory.md", "Theory: the problem and its terms"),
    "solvers": ("theory-solvers.md", "Theory: the solvers"),
    "stopping": ("stopping.md", "When to stop"),
    "weights": ("weights.md", "How a weight is chosen"),
    "metrics": ("matrix.md", "Compare priors"),
}
FLAGS = {
    "operators": "--simulate --prior tv --operator {}",
    "fidelities": "--prior tv --fidelity {}",
    "noises": "--prior tv --noise {}",
    "priors": "--prior {}",
    "solvers": "--prior tikhonov --solver {}",  # the prior that all of them take
    "stopping": "--prior dip --stop {}",
    "weights": "--prior tv --weight {}",
    "weights filled": "--operator inpaint:mask=mask.png --prior tv --weight {}",
}
INDEX = """# Plugins

A page for each operator, prior, solver and other part that comes with invprior: what it computes, its source, its
options and an example. `invprior describe KIND NAME` prints the same.
"""
_SOURCE = re.compile(r"Sources?: ")


def write_pages(app: Sphinx) -> None:
    """Write the pages before Sphinx reads its sources; remove those of plugins that are gone."""
    from neighbours import GENERATED, relinked, write

    docs = Path(app.srcdir)
    root = docs / GENERATED / FOLDER
    found = [described(e.group, e.name) for e in registry.entries() if e.package == "invprior"]
    pages = {root / one.group / f"{one.entry.name}.md": page(one, docs) for one in found}
    pages[root / "index.md"] = index(found)
    for path, text in pages.items():
        write(path, relinked(text, docs, path.parent, docs) if path.stem != "index" else text)
    for path in set(root.rglob("*.md")) - set(pages):
        path.unlink()


def page(one: Described, docs: Path) -> str:
    """Return a page; its links start from `docs`."""
    name, kind = one.entry.name, registry.GROUPS[one.group]
    target = f"`{one.entry.target.replace(':', '.')}`"
    blocks = re.split(r"\n\s*\n", one.text)
    sources = [b for b in blocks if _SOURCE.match(b)]
    text = "\n\n".join(b for b in blocks if b not in sources)
    parts = [f"# {title(one)}", f"The {kind} `{name}`, in Python {target}.", paragraphs(text)]
    if maths := theory(one, docs):
        parts += ["## Mathematics", maths]
    parts += ["## Options", options(one.options), "## Example", *examples(one)]
    guide, label = GUIDES[one.group]
    parts.append(f"[{label}]({guide}) shows how it fits in.")
    if sources:
        parts += ["## References", *(escaped(_SOURCE.sub("", b)) for b in sources)]
    if maths:  # the paragraphs name their sources; the page's list says where these are
        links = re.findall(r"^\[[^\]]+\]: \S+$", (docs / THEORY[one.group]).read_text(), re.M)
        parts += [link for link in links if link.partition(": ")[0] in maths]
    return "\n\n".join(parts) + "\n"


def title(one: Described) -> str:
    """Return the name and what it stands for, so that a search for either finds the page."""
    words = re.match(r"[^:.,;]*", one.text)[0].replace("\n", " ")
    formula = re.search(r"[=(|]", words)
    return (
        f"{one.entry.name} ({registry.GROUPS[one.group]})"
        if formula
        else f"{one.entry.name}: {escaped(words)}"
    )


def theory(one: Described, docs: Path) -> str:
    """Return the paragraphs of the theory page that begin with the plugin's name in bold."""
    if one.group not in THEORY:
        return ""
    text = (docs / THEORY[one.group]).read_text()
    begin = rf"^\*\*`{re.escape(one.entry.name)}`\*\*"
    found = re.search(
        rf"{begin}.*?(?=\n\n(?:\*\*`|#|<!--|\[[^\]]+\]: |[^\n]+:\n\n<!--))", text, re.M | re.S
    )
    return found[0] if found else ""


def options(found: list[Option]) -> str:
    """Return the table of options."""
    if not found:
        return "It has no options."
    rows = []
    for option in found:
        default = "*required*" if option.required else _code(shown_default(option))
        rows.append(
            f"| `{option.name}` | {_code(option.type)} | {default} | {escaped(option.description)} |"
        )
    return "\n".join(["| option | type | default | meaning |", "|---|---|---|---|", *rows])


def _code(text: str) -> str:
    return "–" if text == "-" else "`" + text.replace("|", "\\|") + "`"


def examples(one: Described) -> Iterator[str]:
    """Yield how a command and how Python name the plugin."""
    name, cls = one.entry.name, one.cls
    required = [o.name for o in one.options if o.required]
    chosen = dict.fromkeys(required, ...) or _chosen(one)
    inner = ",".join(f"{key}={_text(value)}" for key, value in chosen.items())
    spec = f"{name}:{inner}" if inner else name
    nested = f"{name}({inner})" if inner else name
    if flags := FLAGS.get(f"{one.group} {name}", FLAGS.get(one.group)):
        yield _console(flags.format(spec))
    elif one.group in ("networks", "denoisers"):
        prior = "dip:net" if one.group == "networks" else "pnp:denoiser"
        yield _console(f'--prior "{prior}={nested}"')
    else:
        yield f'In a [matrix](matrix.md):\n\n```toml\nmetrics = ["{spec}"]\n```'
    given = ["(3, 64, 64)"] if "image_shape" in inspect.signature(cls.__init__).parameters else []
    given += [f"{k}={_quoted(v)}" for k, v in chosen.items()]
    made = f"{cls.__name__}({', '.join(given)})" if not required else cls.__name__
    yield f"```python\nfrom {cls.__module__} import {cls.__name__}\n\n{made}\n```"


def _chosen(one: Described) -> dict[str, object]:
    """Return options to show: those of a spec in the docstring, else the first that has a plain default."""
    spec = re.search(rf"(?<![\w-]){one.entry.name}:\w+=[\w.,=-]*\w", inspect.getdoc(one.cls) or "")
    if spec:
        return dict(parse(spec[0]).options)
    for option in one.options:
        if isinstance(option.default, str | int | float) and option.name != "weight":
            return {option.name: option.default}
    return {}


def _text(value: object) -> str:
    """Return a value as a spec holds it."""
    return "..." if value is ... else str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: object) -> str:
    return repr(value).replace("'", '"')


def _console(options: str) -> str:
    return f"```text\ninvprior solve photo.png {options}\n```"


def index(found: list[Described]) -> str:
    """Return the list of all plugins by kind."""
    parts = [INDEX]
    for group in registry.GROUPS:
        own = [one for one in found if one.group == group]
        rows = [
            f"| [`{o.entry.name}`]({group}/{o.entry.name}.md) | {_first(o.text)} |" for o in own
        ]
        parts.append(
            "\n".join([f"## {group.capitalize()}", "", "| name | what it is |", "|---|---|", *rows])
        )
        names = [f"{o.entry.name} <{group}/{o.entry.name}>" for o in own]
        parts.append("\n".join(["```{toctree}", ":hidden:", "", *names, "```"]))
    return "\n\n".join(parts) + "\n"


def _first(text: str) -> str:
    """Return the first sentence."""
    return escaped(re.split(r"(?<=\.)\s", text.split("\n\n")[0])[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
