"""The files for a paper: a table in LaTeX, figures and grids in PDF, with display names."""

import pytest
from typer.testing import CliRunner

from invprior.cli.app import app
from invprior.errors import MeasurementError, OptionError
from invprior.matrix.report import paper, paper_grid
from invprior.matrix.results.cells import Setting
from tests.matrix.made import all_records, begun, made, written

TEXT = """
images = ["cat", "dog_1"]
operators = ["blur:sigma=1", "denoise"]
noises = ["gaussian:sigma=0.1"]
priors = ["tv:weight=8", "dip"]
"""
NAMES = {"tv:weight=8": "TV & co", "blur:sigma=1": "Blur", "dog_1": "Dog"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two methods with two tasks, but for one cell that has failed."""
    folder = tmp_path_factory.mktemp("paper") / "results"
    records = [
        made(method, image, psnr=level + number, operator=operator, prior=method)
        for operator in ("blur:sigma=1", "denoise")
        for method, level in (("tv:weight=8", 28.0), ("dip", 30.0))
        for number, image in enumerate(("cat", "dog_1"))
    ]
    failed = records.pop()
    records.append(
        made("dip", "dog_1", operator=failed.cell.operator, status="crashed", reason="it broke")
    )
    made_store = begun(folder, TEXT, Setting(data=str(folder)))
    for path in (folder / "records", folder / "images"):
        path.rmdir()
    written(folder, *records)
    assert len(all_records(folder)) == 8
    return made_store


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "paper"


@pytest.fixture
def saved(monkeypatch):
    """The names of the figures that are saved; drawing them all would take seconds."""
    names = []
    monkeypatch.setattr(
        paper.plots, "save", lambda figure, path, overwrite: names.append(path.name)
    )
    return names


def test_one_table_has_methods_and_tasks_under_their_display_names(store, folder, saved):
    files = paper.write_paper(store, folder, metrics=["psnr", "ssim"], names=NAMES)
    kinds = ("grid-{}.pdf", "grid-{}.png", "quality-{}.pdf", "curves-{}.pdf")
    assert [p.name for p in files] == ["table.tex", *saved]
    assert saved == [
        *(kind.format(n) for n in (1, 2) for kind in kinds)
    ]  # fmt: skip
    table = files[0].read_text()
    assert r"\multicolumn{2}{c}{Blur} & \multicolumn{2}{c}{denoise}" in table
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}" in table
    assert r"{}TV \& co & 28.50 & 0.5700 & 28.00 & 0.5600 \\" in table
    assert (
        r"{}dip & \textbf{30.50} & \textbf{0.6100} & \textbf{30.00} & \textbf{0.6000} \\" in table
    )
    assert "denoise: 1 image, 1 seed. Only 1 of 2 pairs have all methods." in table
    (folder / "grid-3.pdf").touch()  # of earlier results with three tasks
    paper.write_paper(store, folder, overwrite=True)
    assert [p.name for p in folder.iterdir()] == ["table.tex"]


def test_the_grid_has_each_image_with_its_part_enlarged_and_its_score(store, tmp_path):
    collection, _ = paper.gather(store)
    (task, _), _ = paper._renamed(collection.tasks, NAMES)
    figure = paper_grid.grid(store.folder, task, collection.measures[0])
    panels = figure.axes
    assert [a.get_title() for a in panels[:4]] == ["truth", "measurement", "dip", "TV & co"]
    assert [a.get_xlabel() for a in panels[4:8]] == ["", "20.00 dB", "31.00 dB", "29.00 dB"]
    assert [a.get_ylabel() for a in (panels[0], panels[4])] == ["cat", "Dog"]
    for axes in panels[:8]:
        (inset,) = axes.child_axes
        assert inset.get_images()[0].get_array().shape == (16, 16)
    paper.plots.save(figure, tmp_path / "grid.pdf")
    content = (tmp_path / "grid.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"Type3" not in content
    assert b"CreationDate" not in content  # the same results give the same bytes


def test_what_is_wrong_is_said_before_anything_is_written(store, folder):
    for options, reason in (
        ({"metrics": ["pnsr"]}, r'"metric" must be one of psnr, ssim \(did you mean "psnr"\?\)'),
        ({"names": {"tvv": "TV"}}, r'"name" must begin with a method.*got "tvv"'),
        ({"names": {"dip": "tv:weight=8"}}, "Two methods of blur.* get the same name"),
    ):
        with pytest.raises(OptionError, match=reason):
            paper.write_paper(store, folder, **options)
    assert not folder.exists()
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(MeasurementError, match="is not empty, and its files are kept"):
        paper.write_paper(store, folder)


@pytest.mark.usefixtures("saved")
def test_the_command_writes_them(store, folder):
    base = ["matrix", "report", str(store.folder)]
    done = CliRunner().invoke(app, [*base, "--paper", str(folder), "--name", "tv:weight=8=TV"])
    assert done.exit_code == 0, done.stderr
    assert r"{}TV & 28.50" in (folder / "table.tex").read_text()
    for more, reason in (
        (["--metric", "psnr"], "--metric and --name need --paper DIR."),
        (["--paper", "x", "--name", "TV"], "must be TEXT=NAME"),
        (["--paper", "x", "--output", "y"], "not both"),
    ):
        wrong = CliRunner().invoke(app, [*base, *more])
        assert (wrong.exit_code, reason in " ".join(wrong.stderr.split())) == (2, True), (
            wrong.stderr
        )
