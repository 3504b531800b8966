import math

import pytest

from invprior.errors import OptionError
from invprior.registry.objects import object_named


def test_text_names_an_object_and_an_object_is_itself():
    assert object_named("math:hypot", "operator", "pylops") is math.hypot
    assert object_named(math.hypot, "operator", "pylops") is math.hypot


def test_a_module_may_lie_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "lying_here.py").write_text("value = 7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    assert object_named("lying_here:value", "operator", "pylops") == 7


@pytest.mark.parametrize("text", ["math", "math:no", "no.such.module:x", ":x"])
def test_what_is_not_there_is_an_error_that_names_the_option(text):
    with pytest.raises(OptionError, match='option "physics" of deepinv must be module:object'):
        object_named(text, "physics", "deepinv")
