"""`invprior plugin new KIND NAME`: write a package to start from, which works as it is."""

from __future__ import annotations

import keyword
import os
import re
import shutil
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated

import typer
from rich.markup import escape

from invprior import registry
from invprior._version import __version__
from invprior.cli import completion
from invprior.cli.console import out, reporting
from invprior.cli.list import group_named
from invprior.errors import OptionError

app = typer.Typer(help="Create a package of your own.", no_args_is_help=True)

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_PYPROJECT = Template("""[build-system]
requires = ["setuptools>=77,<90"]
build-backend = "setuptools.build_meta"

[project]
name = "$name"
version = "0.1.0"
description = "The $kind $name for invprior."
readme = "README.md"
requires-python = ">=3.11"
license = "BSD-3-Clause"  # or another SPDX identifier
dependencies = ["invprior>=$release", "torch>=2.4", "annotated-types>=0.6"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points."invprior.$group"]
$name = "$module:$cls"

[tool.setuptools]
py-modules = ["$module"]
""")

_TEST = Template('''"""Run every check of its kind on $cls; add tests of what is special about it."""

from invprior.testing import parametrize_checks

from $module import $cls


@parametrize_checks($cls)
def test_$module(check):
    check()
''')

_README = Template("""# $name

The $kind `$name` for [invprior](https://pypi.org/project/invprior/).

    pip install -e '.[test]'
    invprior describe $word $name
    invprior check $word $name
    pytest

`$module.py` holds the class. Its code works as it is; replace it with your own. The entry point in
`pyproject.toml` registers it.
""")


@app.callback()
def _group() -> None:
    """Keep `new` a subcommand although it is the only one."""


@app.command()
@reporting
def new(
    kind: Annotated[
        str,
        typer.Argument(
            help="operator, prior, solver, ... (see invprior list)", autocompletion=completion.kinds
        ),
    ],
    name: Annotated[str, typer.Argument(help="The plugin's and the package's name: my-prior.")],
    folder: Annotated[
        Path | None, typer.Option("--into", help="The folder to create. Default: NAME.")
    ] = None,
) -> None:
    """Write a package with one plugin, its entry point, a test and a README; it installs and passes its test."""
    group = group_named(kind)
    target = folder or Path(name)
    _check(group, name, target)
    _write(_contents(group, name), target)
    word = registry.GROUPS[group].replace(" ", "-")
    out.print(f"Wrote {escape(str(target))}. Next:\n", soft_wrap=True)
    for line in (
        f"pip install -e '{target}[test]'",
        f"invprior check {word} {name}",
        f"pytest {target}",
    ):
        out.print(f"    {escape(line)}", soft_wrap=True)


def _contents(group: str, name: str) -> dict[str, str]:
    """Return the text of each file of the package, by its path.

    Raises:
        OptionError: the name of the class is already used in its module.
    """
    module, kind = name.replace("-", "_"), registry.GROUPS[group]
    cls = "".join(part.capitalize() for part in name.split("-"))
    words = {
        "name": name,
        "module": module,
        "cls": cls,
        "group": group,
        "kind": kind,
        "word": kind.replace(" ", "-"),
        "release": ".".join(__version__.split(".")[:2]),
    }
    source = files("invprior.cli.templates").joinpath(f"{group}.py").read_text(encoding="utf-8")
    # The templates' class is called Mine; renaming it must not hide a name that the template imports.
    if cls != "Mine" and re.search(rf"\b{cls}\b", source):
        raise OptionError(
            f'The class of "{name}" would be {cls}, a name that its module needs. Choose another.'
        )
    source = re.sub(r"\bMine\b", cls, source).replace('"mine"', f'"{name}"')
    return {
        "pyproject.toml": _PYPROJECT.substitute(words),
        "README.md": _README.substitute(words),
        f"{module}.py": source,
        f"tests/test_{module}.py": _TEST.substitute(words),
    }


def _check(group: str, name: str, target: Path) -> None:
    """Refuse a name that cannot work and a folder that cannot be created.

    Raises:
        OptionError: the name is unsuitable or taken, the folder exists, or its parent does not.
    """
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise OptionError(
            f'The name of a plugin must be lower-case words joined by hyphens, such as my-prior; got "{name}".'
        )
    taken = keyword.iskeyword(module) or module in ("test", "tests")
    # A module of that name would be hidden by an installed one, or hide it.
    if taken or find_spec(module) is not None:
        raise OptionError(
            f'The name of a plugin becomes the name of its module, and "{module}" is taken. Choose another.'
        )
    owners = [e.origin for e in registry.entries(group) if e.name == name]
    if owners:
        raise OptionError(
            f'The {registry.GROUPS[group]} name "{name}" is provided by {" and ".join(owners)}. Choose another.'
        )
    if os.path.lexists(target):
        raise OptionError(f'"{target}" exists already. Choose another name, or --into FOLDER.')
    if not target.parent.is_dir():
        raise OptionError(f"The folder {target.parent} does not exist; create it first.")


def _write(contents: dict[str, str], target: Path) -> None:
    """Write the whole package or nothing: into a hidden folder, which is renamed at the end."""
    try:
        hidden = Path(tempfile.mkdtemp(prefix=".plugin-", dir=target.parent))
        try:
            for path, text in contents.items():
                file = hidden / path
                file.parent.mkdir(exist_ok=True)
                file.write_text(text, encoding="utf-8")
            # mkdtemp makes a folder that only its owner can read.
            hidden.chmod(0o777 & ~_umask())
            hidden.rename(target)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise OptionError(f"{target} cannot be written: {error.strerror}.") from None


def _umask() -> int:
    """Return the process's umask."""
    mask = os.umask(0)  # the only way to read it is to set it, so it is set back
    os.umask(mask)
    return mask
