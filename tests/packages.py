"""Fake installed packages, as pip leaves them: a dist-info folder and modules in a folder on sys.path."""

from pathlib import Path

from invprior import registry
from invprior.registry import discovery

PRIOR = '''
from invprior.problem.functionals import Penalty


class Mine(Penalty):
    """A penalty of my own.

    Args:
        power: of the norm.
    """

    def __init__(self, *, power: float = 2.0) -> None:
        super().__init__()
        self.power = power

    def value(self, x):
        return x.abs().pow(self.power).flatten(1).sum(1)
'''

OPERATOR = '''
from invprior.operators.base import LinearOperator


class Mine(LinearOperator):
    """Doubles an image."""

    def __init__(self, image_shape):
        super().__init__(image_shape)

    def forward(self, x):
        return 2 * x
'''


class Packages:
    """Writes packages into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        name: str,
        entries: str | bytes,
        version: str = "1.0",
        kind: str = "dist-info",
        metadata: str = "",
        **modules: str,
    ) -> None:
        stem = name.replace("-", "_")
        info = self.folder / (f"{stem}-{version}.{kind}" if version else f"{stem}.{kind}")
        info.mkdir()
        (info / "entry_points.txt").write_bytes(
            entries.encode() if isinstance(entries, str) else entries
        )
        if metadata:
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{metadata}\n")
        for module, source in modules.items():
            path = self.folder / (module.replace("__", "/") + ".py")  # a__b is the module a.b
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        discovery._discover.cache_clear()  # a process lists once

    def prior(
        self, name: str, target: str, package: str = "acme", **modules: str
    ) -> registry.Entry:
        """Add a package with one prior, and return its entry."""
        self.add(package, f"[invprior.priors]\n{name} = {target}\n", **modules)
        return next(e for e in registry.entries("priors") if e.package == package.lower())


def _prior(
    source: str = PRIOR, metadata: str = "", target: str = "{module}:Mine"
) -> dict[str, str]:
    return {"group": "priors", "source": source, "metadata": metadata, "target": target}


BROKEN = {
    "bad-import": (_prior("import torch_but_not_quite"), "No module named 'torch_but_not_quite'"),
    "bad-syntax": (_prior("def f(:"), "SyntaxError"),
    "bad-exit": (_prior("raise SystemExit('leaving')"), "SystemExit: leaving"),
    "bad-crash": (
        _prior(PRIOR.replace("super().__init__()", "raise RuntimeError('no weights')")),
        "its constructor failed with RuntimeError: no weights",
    ),
    "bad-operator": (
        _prior(OPERATOR.replace("super().__init__(image_shape)", "image_shape.height"))
        | {"group": "operators"},
        "its constructor failed with AttributeError: 'tuple' object has no attribute 'height'",
    ),
    "bad-call": (
        _prior(PRIOR.replace("def value(self, x)", "def value(self, x, sigma)")),
        "Mine.value takes (self, x, sigma); it must take (self, x)",
    ),
    "bad-constructor": (
        _prior(PRIOR.replace("*, power: float = 2.0", "power: float")),
        "the constructor of Mine must take power by keyword: put a * before it",
    ),
    "bad-nowhere": (_prior(target="no_such_module:Mine"), "no module named no_such_module"),
    "bad-name": (_prior(target="{module}:Other"), "has no attribute 'Other'"),
    "bad-newer": (
        _prior(metadata="Requires-Dist: numpy\nRequires-Dist: invprior>=99"),
        "it requires invprior>=99, and this is",
    ),
}
"""Ten packages, one for each way to be broken: what to write, and what must be said of it."""


def install_broken(packages: Packages) -> None:
    """Install all of `BROKEN`; each holds one plugin of the package's own name."""
    for name, (made, _) in BROKEN.items():
        module = name.replace("-", "_")
        target = made["target"].format(module=module)
        packages.add(
            name,
            f"[invprior.{made['group']}]\n{name} = {target}\n",
            metadata=made["metadata"],
            **{module: made["source"]},
        )
