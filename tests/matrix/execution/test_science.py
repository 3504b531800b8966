"""Cells whose measurement is no picture, or whose image is complex, from the image to the score."""

from invprior.matrix.execution.measure import compute
from tests.matrix.conftest import SMALL

OPERATORS = (
    "radon:angles=12",
    "subsample:keep=0.5",
    "matrix:keep=0.5",
    "fourier:acceleration=2",
)


def test_every_operator_runs_to_the_score(made):
    text = SMALL.replace('"denoise"', ", ".join(f'"{name}"' for name in OPERATORS))
    text = text.replace(
        '"tikhonov:weight=30", "tv:weight=8"', '{ prior = "tikhonov:weight=30", steps = 5 }'
    )
    store = made(text.replace("sigma=0.05", "sigma=0.02"))
    for job in store.jobs():
        record = compute(job, store.folder, lambda step, seconds: None)
        assert record.status == "ok", record.reason
        assert record.baseline_name == "pseudo-inverse"
        assert record.metrics["psnr"] > record.baseline["psnr"] - 1
        assert record.metrics["psnr"] == record.curve[-1]["psnr"]
        assert record.calls["forward"] > 0
        assert (store.folder / "records" / record.image).is_file()
