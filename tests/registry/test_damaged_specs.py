"""Damaged specs, and options of any value, give a message and never another error."""

import random

from invprior import registry
from invprior.builders.problem import noise_from, prior_from, solver_from, stop_from
from invprior.registry.options import options_of
from invprior.registry.spec import Spec, parse, parse_rule, parse_sum
from tests.fuzzing import COUNT, timed
from tests.matrix.damage import letters

MAKERS = {
    prior_from: (
        "dip:network=unet(channels=[8,16],skip=4),steps=300 + tv:weight=0.1,kind=isotropic",
        "pnp:denoiser=nlm(patch=5,strength=0.8),weight=auto + tikhonov:weight=1e-3",
    ),
    stop_from: ("(discrepancy:tau=1.1 | max-steps:steps=500) & relative-change:tolerance=1e-4",),
    solver_from: ("admm:rho=1.5,inner=5", "adam:lr=0.01"),
    noise_from: ("gaussian:sigma=0.1,quantise=true", "poisson:peak=30"),
    lambda text: registry.create("operators", text): (
        "compose:operators=[blur(sigma=2.5,boundary=reflect), downsample(factor=2)]",
        "inpaint:missing=0.5,seed=7",
        'blur:kernel="k ernel.npy"',
    ),
}  # fmt: skip
READERS = (parse, parse_sum, parse_rule)


def test_damaged_specs():
    draw = random.Random(COUNT)
    for make, texts in MAKERS.items():
        for _ in range(10 * COUNT):
            text = letters(draw.choice(texts), draw)
            timed(make, text)
            for read in READERS:
                spec = timed(read, text)
                if isinstance(spec, Spec) and "nan" not in text.lower():
                    assert parse(str(spec)) == spec


VALUES = (
    0, -1, 1, 2, 3, -0.0, 0.5, 1e-308, 1e-30, 1e-12, 1e12, 1e30, 1e300, float("inf"), float("nan"), 2**31, 2**63,
    10**400, True, "x", "", "a\0b", "x" * 300, [], [1], [1e300, 1], [[1]], Spec("a"), Spec("tv"), None, {},
)  # fmt: skip


def test_options_of_any_value():
    draw = random.Random(COUNT)
    known = [(e, options_of(registry.load(e))) for e in registry.entries() if not e.fault]
    known = [(e, options) for e, options in known if options]
    for _ in range(30 * COUNT):
        entry, options = draw.choice(known)
        given = {o.name: draw.choice(VALUES) for o in options if o.required or draw.random() < 0.4}
        timed(registry.create, entry.group, Spec(entry.name, given))
