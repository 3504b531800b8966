"""Print the lowest version of each dependency that pyproject.toml allows, as constraints for pip.

    pip install -c <(python .ci/lowest.py) '.[test]'

Names given as arguments are left out, for example torch where only one build of it is to be had.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in project["dependencies"]:
    name, lowest = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement).groups()
    if name not in sys.argv[1:]:
        print(f"{name}=={lowest}")
