"""`invprior info`: show what a bug report needs."""

from __future__ import annotations

import json
import platform
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from invprior.cli.console import out, reporting
from invprior.cli.defaults import find

_PACKAGES = (
    "invprior",
    "torch",
    "numpy",
    "scipy",
    "pywavelets",
    "scikit-image",
    "entrypoints",
    "pydantic",
    "rich",
    "typer",
)


@reporting
def info(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show versions, devices and threads."""
    import torch  # slow to import, which `--help` must not wait for

    from invprior import registry
    from invprior.numerics import threads, waiting
    from invprior.provenance import device_text, version_of

    count, reason = threads.chosen()
    threads.compute_with()
    fixed = waiting.fixed_because()
    foreign = sorted({e.origin for e in registry.entries() if e.package != registry.CORE})
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version_of(package) for package in _PACKAGES},
        "devices": [
            "cpu",
            *(device_text(torch.device("cuda", i)) for i in range(torch.cuda.device_count())),
        ],
        "cpu capability": torch.backends.cpu.get_cpu_capability(),
        "threads": count,
        "threads because": reason,
        "threads wait": f"as OpenMP is set: {fixed}" if fixed else waiting.FOLLOWING,
        "plugin packages": foreign,
        "defaults of options": str(find() or "none"),
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        table.add_row(
            f"[bold]{name}[/]",
            escape(", ".join(value) or "none" if isinstance(value, list) else str(value)),
        )
    out.print(table)
