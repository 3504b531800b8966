"""Configuration of the documentation site: `sphinx-build -W --keep-going -b html docs docs/_build/html`."""

import sys
from pathlib import Path

import invprior

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "invprior"
author = "The invprior developers"
copyright = "The invprior developers"
version = release = invprior.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "neighbours",
    "commands",
    "plugin_pages",
    "images",
    "mathml",
    "docstrings",
]
exclude_patterns = ["_build"]
nitpicky = False  # the types of torch and numpy have no pages in this site

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# Docstrings write `code` as Markdown does; reStructuredText would read single backticks as a title.
default_role = "code"
smartquotes_action = "D"  # dashes only: quotes are often part of code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# One list of attributes: separate entries would duplicate those of the members.
napoleon_use_ivar = True

html_theme = "furo"
html_title = "invprior"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7cb8e0", "color-brand-content": "#7cb8e0"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"

copybutton_prompt_text = "$ "
