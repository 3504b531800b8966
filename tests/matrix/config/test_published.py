import pytest

from invprior.errors import OptionError
from invprior.matrix.config.matrix import builtin_names, parse, read
from invprior.matrix.config.published import table as published_table


def test_averages_agree_with_the_values_by_image():
    """Where both are known, printed averages and result images are of the same methods."""
    for name, method, tolerance in (
        ("denoise9-25", "CBM3D", 0.02),
        ("denoise9-25", "NLM", 0.04),
        ("set5-x4", "DIP", 0.01),
        ("set5-x4", "bicubic", 0.01),
        ("set5-x4", "SRResNet", 0.01),
    ):
        table = published_table(name)
        values = table.images[method].values()
        assert sum(values) / len(values) == pytest.approx(table.averages[method], abs=tolerance)


def test_methods_are_found_by_name_in_any_case():
    table = published_table("denoise9-25")
    assert table.method("nlm") == "NLM"
    assert table.method("DIP averaged") == "DIP averaged"
    assert table.method("tv") is None
    assert table.others(["nlm", "measurement", "cbm3d", "dip"]) == ["DIP two runs", "DIP averaged"]


def test_an_unknown_table_is_refused():
    with pytest.raises(OptionError, match="did you mean"):
        published_table("set5-x")


@pytest.mark.parametrize("name", builtin_names())
def test_the_builtin_matrices_name_tables_that_exist(name):
    matrix = parse(*read(name))
    table = matrix.published_table()
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


def test_a_row_is_compared_with_the_published_one_that_it_names():
    table = parse("mine", f'published = "inpaint11"\n{ROWS}').published_table()
    assert table.method("tv") == "DIP"
    assert table.method("DIP") == "DIP"
    assert table.others(["tv"]) == ["Papyan et al."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'published = "inpaint12"\n{ROWS}', 'did you mean "inpaint11"'),
        (
            f'published = "inpaint11"\n{ROWS}'.replace("DIP", "DIPP"),
            'of the row "tv" must be one of DIP, Papyan et al.; got "DIPP"',
        ),
        (ROWS, 'The key "published" of "tv" would have no effect'),
    ],
)
def test_a_row_or_a_table_that_does_not_exist_is_refused(text, message):
    with pytest.raises(OptionError, match=message):
        parse("mine", text)
