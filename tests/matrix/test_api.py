"""The matrix from Python: objects and arrays in a configuration, and the results as rows."""

import sys

import numpy as np
import pytest
import torch

import invprior
from invprior.errors import OptionError, PluginError
from invprior.matrix.config.matrix import parse
from invprior.matrix.config.objects import toml
from invprior.operators.inpaint import Inpaint
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.tv import TV
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange

ROWS = {
    "noises": ["gaussian:sigma=0.05"],
    "priors": [30 * Tikhonov(), {"label": "TV", "prior": 8 * TV(kind="isotropic")}],
    "metrics": ["psnr"],
}


@pytest.mark.usefixtures("warm")
def test_objects_and_arrays_become_rows_of_results(tmp_path, capsys):
    ramp = np.add.outer(np.arange(16.0), np.arange(16.0)) / 30
    given = {**ROWS, "images": {"ramp": ramp, "square": torch.eye(16).expand(3, 16, 16)}}
    found = invprior.matrix.run(
        given, tmp_path / "out", workers=1, only=["image=ramp"], progress=True
    )
    assert "[2/2] ok: ramp, denoise, TV" in capsys.readouterr().err
    rows = found.rows()
    assert [(r["method"], r["image"], r["status"]) for r in rows] == [
        ("tikhonov:weight=30.0,order=1", "ramp", "ok"), ("TV", "ramp", "ok")
    ]  # fmt: skip
    assert rows[1]["psnr"] > rows[1]["baseline psnr"] > 20
    assert [r.cell.method for r in found.records()] == [r["method"] for r in rows]

    invprior.matrix.run(given, tmp_path / "out", workers=1, only=["image=ramp"], progress=True)
    assert "[" not in capsys.readouterr().err  # nothing is left to do
    assert len(invprior.matrix.read(tmp_path / "out").rows()) == 4  # square has not run
    collection, remarks = invprior.matrix.api.write.gather(found._store(), found._select())
    assert len(collection.records) == 2
    assert "Only 2 cells are shown, those chosen with --only." in remarks


def test_a_data_frame_has_the_rows(tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas")
    found = invprior.matrix.api.Results(tmp_path)
    monkeypatch.setattr(type(found), "rows", lambda self: [{"method": "tv", "psnr": 30.0}])
    frame = found.to_dataframe()
    assert isinstance(frame, pd.DataFrame)
    assert frame.loc[0, "psnr"] == 30.0
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PluginError, match=r"rows\(\), or run: pip install 'invprior\[dataframe\]'"):
        found.to_dataframe()


def test_a_mapping_means_what_a_file_means():
    stop = RelativeChange(tolerance=1e-3) | MaxSteps(steps=20)
    given = {
        **ROWS,
        "images": ["a.png", 'odd "name" \u00e9.png'],
        "priors": ["dip", TV() + 2 * Tikhonov(), {"prior": invprior.Spec("pnp"), "steps": 3}],
        "stops": [stop],
        "seeds": [0, 1],
        "limits": {"seconds": 5.5},
        "protocol": {"rounded": True},
    }
    text, arrays = toml(given)
    matrix = parse("matrix", text)
    assert matrix.images == ("a.png", 'odd "name" \u00e9.png')
    open_tv = "tv:kind=vectorial,gap=0.0001 + tikhonov:weight=2.0,order=1"
    assert [m.prior for m in matrix.methods] == ["dip", open_tv, "pnp"]
    assert matrix.stops == ("relative-change:tolerance=0.001,patience=2 | max-steps:steps=20",)
    assert (matrix.seeds, matrix.limits.seconds, matrix.protocol.rounded) == ((0, 1), 5.5, True)
    assert arrays == {}


def test_what_no_process_can_make_again_is_refused(quadratic):
    for part, reason in (
        (quadratic, "is not registered, and the processes"),
        (
            Inpaint((1, 4, 4), mask=torch.ones(4, 4)),
            r'option "mask" of inpaint holds a tensor.*file',
        ),
        (object(), "must be text, a number, a spec or a part of invprior; got object"),
    ):
        with pytest.raises(OptionError, match=reason):
            toml({"images": ["a.png"], "operators": [part], "priors": ["tv"]})
    with pytest.raises(OptionError, match=r'"truth" of \[protocol\] must be left out'):
        toml({"images": {"a": np.ones((4, 4))}, "protocol": {"truth": "b.png"}})
