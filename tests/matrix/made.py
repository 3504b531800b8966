"""Records made by hand, with images, as a run of the matrix would leave them."""

import hashlib
import io
from dataclasses import replace

import numpy as np
from PIL import Image

from invprior.matrix.results import record
from invprior.matrix.results.cells import key_of
from invprior.matrix.results.record import Cell, Ending, Record, Seconds
from invprior.matrix.results.store import Store


def begun(folder, text, setting):
    """Make a folder of results, as a run does at its start."""
    store = Store.planned(folder, "small", text, setting)
    store.begin()
    return store


def all_records(folder):
    """Read every record; a damaged one raises."""
    return [record.load(path) for path in record.paths(folder)]


def made(method="tv", image="cat", seed=0, psnr=30.0, *, status="ok", created="1", **more):
    """Make one record; a failed one has no scores."""
    cell = Cell(
        image=image,
        operator=more.pop("operator", "blur:sigma=1"),
        noise=more.pop("noise", "gaussian:sigma=0.1"),
        method=method,
        prior=more.pop("prior", method),
        solver=more.pop("solver", "auto"),
        stop=more.pop("stop", ""),
        seed=seed,
    )
    if status == "ok":
        more.setdefault("metrics", {"psnr": psnr, "ssim": psnr / 50})
        more.setdefault("baseline", {"psnr": 20.0 + seed, "ssim": 0.4})
        more.setdefault("baseline_name", "measurement")
        more.setdefault("curve", curve(psnr))
        more.setdefault("seconds", Seconds(solve=2.0, whole=3.0))
        more.setdefault("stop_", Ending(name="max-steps", ok=True, message="reached 4 steps"))
    options = more.pop("options", {"cell": str(cell), "created": created})
    return Record(
        key=key_of(options),
        cell=cell,
        status=status,
        reason=more.pop("reason", ""),
        replay="",  # made anew by `load`
        options=options,
        stop=more.pop("stop_", None),
        created=created,
        **more,
    )


def curve(psnr):
    """Four points of a run of two seconds."""
    return tuple(
        {"step": k, "seconds": k / 2, "psnr": psnr - 8 / k, "ssim": (psnr - 8 / k) / 50}
        for k in (1, 2, 3, 4)
    )


def written(folder, *records, size=24):
    """Write records with small images of their own, and return the folder."""
    (folder / record.RECORDS).mkdir(parents=True)
    (folder / record.IMAGES).mkdir()
    for given in records:
        record.save(folder, given if given.status != "ok" else imaged(folder, given, size))
    return folder


def imaged(folder, given, size):
    """Draw the truth, the measurement and a restoration that is nearer to the truth."""
    generator = np.random.default_rng(given.cell.seed)
    truth = np.zeros((size, size))
    truth[size // 4 : size // 2] = 0.8
    noise = generator.normal(0, 0.3, truth.shape)
    drawn = {"image": truth + 0.2 * noise, "truth": truth, "measurement": truth + noise}
    names, hashes = {}, {}
    for role, values in drawn.items():
        content = io.BytesIO()
        Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8)).save(content, "PNG")
        digest = hashlib.sha256(content.getvalue()).hexdigest()
        place, stem = (
            (record.RECORDS, given.key) if role == "image" else (record.IMAGES, digest[:20])
        )
        names[role] = f"{stem}.png"
        hashes[names[role]] = digest
        (folder / place / names[role]).write_bytes(content.getvalue())
    return replace(given, files=hashes, **names)
