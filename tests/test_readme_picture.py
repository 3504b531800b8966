"""The script that makes the README's picture, from runs that are there."""

import json
import runpy
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "readme_picture.py"))


def test_each_image_stands_below_its_name_and_its_score(tmp_path):
    for number, prior in enumerate(("tv", "pnp", "dip")):
        folder = tmp_path / f"astronaut-blur-{prior}"
        folder.mkdir()
        scores = {"measurement": {"psnr": 21.18}, "restoration": {"psnr": 25.0 + number}}
        record = {"provenance": {"measurement_sha256": "a"}, "scores": scores}
        (folder / "record.json").write_text(json.dumps(record))
        for name, grey in (("measurement", 10), ("restoration", 100 + number)):
            Image.new("L", (4, 4), grey).save(folder / f"{name}.png")
    found = {p: SCRIPT["folder_of"](p, tmp_path, tmp_path / "unused") for p in SCRIPT["PRIORS"]}
    parts = SCRIPT["panels"](found)
    labels = ["measurement  21.2 dB", "tv  25.0 dB", "pnp  26.0 dB", "dip  27.0 dB"]
    assert [label for label, _ in parts] == labels
    page = SCRIPT["joined"](parts)
    assert page.size == (4 * 332 - 12, 360)
    assert [page.getpixel((332 * k + 5, 200))[0] for k in range(4)] == [10, 100, 101, 102]

    record["provenance"]["measurement_sha256"] = "b"  # that of another seed
    (found["dip"] / "record.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit, match="different measurements"):
        SCRIPT["panels"](found)
