"""The page of each plugin in the documentation: complete, with an example that works."""

import re
from pathlib import Path

import plugin_pages
import pytest

from invprior import registry
from invprior.registry.described import described

DOCS = Path(__file__).parents[1] / "docs"
OWN = [e for e in registry.entries() if e.package == "invprior"]


@pytest.mark.parametrize("entry", OWN, ids=lambda e: f"{e.group}-{e.name}")
def test_a_page_has_every_option_and_an_example_that_works(entry):
    one = described(entry.group, entry.name)
    text = plugin_pages.page(one, DOCS)
    assert text.startswith(f"# {entry.name}")
    assert [f"| `{o.name}` |" in text for o in one.options] == [True] * len(one.options)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(code, {})
    shown = re.search(
        rf'[ =:"]({re.escape(entry.name)}(?:[:(][^"\n]*)?)"?[\]\n]',
        text[text.index("## Example") :],
    )
    if "..." not in shown[1] and not shown[1].endswith(")"):
        registry.create(entry.group, shown[1])
    for path in re.findall(r"\]\(([\w-]+\.md)", text):
        assert (DOCS / path).exists(), path


def test_the_mathematics_and_the_sources_are_those_of_the_theory_page():
    text = plugin_pages.page(described("priors", "tv"), DOCS)
    assert text.startswith("# tv: Total variation\n")
    assert r"\operatorname{TV}(x) = \sum_{i}" in text
    assert "## References\n\nRudin, Osher and Fatemi 1992; Bresson" in text
    assert "[Bresson and Chan 2008]: https://" in text
    assert "**`wavelet`**" not in text
    assert "at its automatic weight:" not in plugin_pages.page(described("priors", "wavelet"), DOCS)
    # A rule of the same name for weights has no such paragraph.
    assert "## Mathematics" in plugin_pages.page(described("stopping", "holdout"), DOCS)
    assert "## Mathematics" not in plugin_pages.page(described("weights", "holdout"), DOCS)


def test_the_index_names_every_plugin():
    text = plugin_pages.index([described(e.group, e.name) for e in OWN])
    assert all(f"({e.group}/{e.name}.md)" in text for e in OWN)
