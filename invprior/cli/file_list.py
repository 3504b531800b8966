"""The files that `solve` is given: patterns, the places of their results, and what cannot be meant for several."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from invprior.cli.outputs import Place
from invprior.cli.session import stem
from invprior.cli.solve_options import Options
from invprior.errors import MeasurementError, OptionError
from invprior.io import encoders, samples


def expanded(names: Sequence[str]) -> list[str]:
    """Return the files that patterns such as "c*.tif" match, in the order of their names, and other names as given.

    Raises:
        MeasurementError: a pattern matches nothing.
    """
    found: list[str] = []
    for name in names:
        pattern = any(letter in name for letter in "*?[") and not name.startswith(samples.PREFIX)
        if not pattern or Path(name).exists():
            found.append(name)
            continue
        matches = sorted(path for path in glob.glob(name) if Path(path).is_file())  # noqa: PTH207
        if not matches:
            raise MeasurementError(f'No file matches "{name}". Check the pattern and the folder.')
        found += matches
    return list(dict.fromkeys(found))


def places_of(options: Options, folder: Path) -> dict[str, Place]:
    """Return where the results of each file go; files of one stem are told apart by their whole names."""
    stems = {image: stem(image) for image in options.images}
    counts = Counter(stems.values())
    return {
        image: Place(folder, name if counts[name] == 1 else Path(image).name)
        for image, name in stems.items()
    }


def check(options: Options) -> None:
    """Refuse what cannot be meant for several files.

    Raises:
        OptionError: the options cannot be meant.
        MeasurementError: two files, or a file and a result, have the same name.
    """
    count, output = len(options.images), options.output
    if options.truth is not None:
        raise OptionError(
            f"--truth scores one measurement; got {count} images. Restore each with its own --truth, or put the "
            "measurements into one stack and their true images into another."
        )
    if len({name.startswith(samples.PREFIX) or options.simulate for name in options.images}) > 1:
        raise OptionError(
            "Samples are degraded first, and files are not; got both. Restore them by two commands, or degrade the "
            "files too, with --simulate."
        )
    if output is None:
        return
    if encoders.suffix_of(output) is not None and not output.is_dir():
        raise OptionError(
            f'The option "output" must name a folder for {count} images; got "{output}". Name one such as '
            f'"{output.with_suffix("")}/".'
        )
    twins = [
        n for n, c in Counter(p.stem for p in places_of(options, output).values()).items() if c > 1
    ]
    if twins:
        raise MeasurementError(
            f'Several images are named "{twins[0]}", and all results go into "{output}". Restore them into folders of '
            "their own."
        )
    for image in options.images:
        if Path(image).exists() and Path(image).absolute().parent.resolve() == output.resolve():
            raise MeasurementError(
                f'The folder "{output}" holds the image "{image}", which its result would replace. Name another '
                "folder with --output."
            )
