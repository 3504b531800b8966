"""Make the picture of the README: the measurement of its command and three restorations, with their PSNR.

    python docs/readme_picture.py docs/static/restorations.png
    python docs/readme_picture.py docs/static/restorations.png --runs invprior-out

With --runs, a folder astronaut-blur-PRIOR in it, as the README's command writes it, is used instead of a run. The run
of dip takes one to two minutes on two cores. The same runs give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PRIORS = ("tv", "pnp", "dip")
INK, PAPER = "#1A1A1A", "#FFFFFF"  # readable in both colour schemes of GitHub
WIDTH, GAP, LINE = 320, 12, 40  # of an image, between two, and of the label, in pixels


def folder_of(prior: str, runs: Path | None, work: Path) -> Path:
    """Return the folder of a run of the README's command with a prior; run it if there is none."""
    if runs is not None and (runs / f"astronaut-blur-{prior}" / "record.json").is_file():
        return runs / f"astronaut-blur-{prior}"
    place = work / prior
    command = ["solve", "--operator", "blur", "--prior", prior, "--output", str(place)]
    subprocess.run([sys.executable, "-m", "invprior", *command], check=True)
    return place


def panels(folders: dict[str, Path]) -> list[tuple[str, Image.Image]]:
    """Return the label and the image of each panel.

    Raises:
        SystemExit: the runs are not of one measurement, so their scores do not compare.
    """
    records = {p: json.loads((f / "record.json").read_text()) for p, f in folders.items()}
    measured = {r["provenance"]["measurement_sha256"] for r in records.values()}
    if len(measured) > 1:
        raise SystemExit(
            "The runs are of different measurements. Leave out --runs, or run them again."
        )
    first = next(iter(folders))
    score = records[first]["scores"]["measurement"]["psnr"]
    found = [(f"measurement  {score:.1f} dB", folders[first] / "measurement.png")]
    for prior, folder in folders.items():
        score = records[prior]["scores"]["restoration"]["psnr"]
        found.append((f"{prior}  {score:.1f} dB", folder / "restoration.png"))
    return [(label, Image.open(path).convert("RGB")) for label, path in found]


def joined(parts: list[tuple[str, Image.Image]]) -> Image.Image:
    """Return the images side by side, each below its label."""
    height = max(round(image.height * WIDTH / image.width) for _, image in parts)
    size = (len(parts) * (WIDTH + GAP) - GAP, height + LINE)
    page, font = Image.new("RGB", size, PAPER), ImageFont.load_default(20)
    draw = ImageDraw.Draw(page)
    for number, (label, image) in enumerate(parts):
        left = number * (WIDTH + GAP)
        # Pixels stay squares: smoothing would restore the measurement a little.
        scaled = image.resize(
            (WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.NEAREST
        )
        page.paste(scaled, (left, LINE))
        draw.text((left + WIDTH / 2, LINE / 2), label, fill=INK, font=font, anchor="mm")
    return page


def main() -> None:
    """Read the arguments, and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--runs", type=Path, help="a folder of finished runs, such as invprior-out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folders = {prior: folder_of(prior, given.runs, Path(work)) for prior in PRIORS}
        joined(panels(folders)).save(given.picture, optimize=True)


if __name__ == "__main__":
    main()
