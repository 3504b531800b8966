import pytest

from invprior.errors import OptionError
from invprior.matrix.config import matrix as config
from invprior.matrix.config import published


def test_averages_agree_with_the_figures_by_image():
    """Printed averages and result images are of the same methods, where both are known."""
    for name, method, tolerance in (
        ("denoise9-25", "CBM3D", 0.02),
        ("denoise9-25", "NLM", 0.04),
        ("set5-x4", "DIP", 0.01),
        ("set5-x4", "bicubic", 0.01),
        ("set5-x4", "SRResNet", 0.01),
    ):
        table = published.table(name)
        figures = table.images[method].values()
        assert sum(figures) / len(figures) == pytest.approx(table.averages[method], abs=tolerance)


def test_methods_are_found_by_name_in_any_case():
    table = published.table("denoise9-25")
    assert table.method("nlm") == "NLM"
    assert table.method("DIP averaged") == "DIP averaged"
    assert table.method("tv") is None
    assert table.others(["nlm", "measurement", "cbm3d", "dip"]) == ["DIP two runs", "DIP averaged"]


def test_an_unknown_table_is_refused():
    with pytest.raises(OptionError, match="did you mean"):
        published.table("set5-x")


@pytest.mark.parametrize("name", config.builtin_names())
def test_the_matrices_that_come_with_us_name_tables_that_exist(name):
    matrix = config.parse(*config.read(name))
    table = matrix.beside()
    if table:
        assert set(matrix.images) == {p for row in table.images.values() for p in row}
        ours = [m.label for m in matrix.methods if "DIP" in m.label]
        assert {label.partition("'")[0] for label in ours} == {"invprior", "authors"}
        assert all((table.method(label) or "").startswith("DIP") for label in ours)
        assert not [row for row in table.others(ours) if row.startswith("DIP")]


ROWS = """
images = ["sample:camera:16"]
priors = [{ prior = "tv", published = "DIP" }]
"""


def test_a_row_stands_beside_the_published_one_that_it_names():
    table = config.parse("mine", f'published = "inpaint11"\n{ROWS}').beside()
    assert table.method("tv") == "DIP"
    assert table.method("DIP") == "DIP"
    assert table.others(["tv"]) == ["Papyan et al."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'published = "inpaint12"\n{ROWS}', 'did you mean "inpaint11"'),
        (
            f'published = "inpaint11"\n{ROWS}'.replace("DIP", "DIPP"),
            'of the row "tv" must be one of DIP, Papyan et al.; got "DIPP"',
        ),
        (ROWS, 'The key "published" of "tv" would do nothing'),
    ],
)
def test_a_row_or_a_table_that_does_not_exist_is_refused(text, said):
    with pytest.raises(OptionError, match=said):
        config.parse("mine", text)
