"""The files that `solve` is given: patterns, the places of their results, and what cannot be meant for several."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from invprior.cli import streams
from invprior.cli.outputs import Place
from invprior.cli.solve_options import Options
from invprior.errors import MeasurementError, OptionError
from invprior.io import codecs, encoders, images, samples
from invprior.registry.spec import parse_sum


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
    _refuse_movie(options, f"{count} images")
    if streams.NAME in options.images:
        raise OptionError(
            f'"-" is one image on standard input; got {count} images. Restore it by a command of its own.'
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


def truths_of(options: Options, stack: images.Stack) -> Sequence[images.Image | None]:
    """Return the true image of each page.

    Raises:
        OptionError: the options cannot be meant for a stack.
    """
    count = len(stack.images)
    _refuse_movie(options, f'"{options.image}", which holds {count} images')
    if options.weight_curve:
        raise OptionError(
            f'--weight-curve plots the weights of one image; "{options.image}" holds {count}. Leave it out, or give '
            "a file of one image."
        )
    if options.truth is None:
        return [None] * count
    if options.simulated:
        raise OptionError(
            "--truth needs a real measurement: a simulated one has the given image as its "
            "ground truth. Leave out --truth or --simulate."
        )
    truths = images.load_stack(options.truth, getattr(torch, options.dtype)).images
    if len(truths) not in (1, count):
        raise OptionError(
            f'--truth must hold one image, or one for each of the {count} of "{options.image}"; "{options.truth}" '
            f"holds {len(truths)}."
        )
    return truths if len(truths) == count else truths * count


def _refuse_movie(options: Options, got: str) -> None:
    if options.movie is not None:
        raise OptionError(
            f"--movie films the run of one image; got {got}. Leave it out, or restore one of them alone."
        )


def title(options: Options, first: str) -> str:
    """Return the name of a fresh folder of results."""
    return "-".join([first, _names(options.operator), _names(options.prior)])


def stem(source: str) -> str:
    """Return the name of an image without its folder and suffix."""
    if source == streams.NAME:
        return "stdin"
    if source.startswith(samples.PREFIX):
        return source.removeprefix(samples.PREFIX).partition(":")[0]
    path, name = codecs.split(Path(source))
    suffix = codecs.suffix_of(path) or path.suffix
    bare = path.name[: len(path.name) - len(suffix)]
    return bare if name is None else f"{bare}-{name.strip('/').replace('/', '-')}"


def _names(text: str) -> str:
    # A name may be written package/name, which would make a folder of its own.
    return "+".join(spec.name.rpartition("/")[2] for spec in parse_sum(text))
