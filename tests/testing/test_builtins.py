"""Every built-in plugin passes the kit, or lists the checks it fails in `expected_failures`, with the reason.

Networks are checked in tests/networks; fidelities and solvers with other options in the folders of their tests.
"""

from invprior import registry
from invprior.operators.base import Compose, Recipe
from invprior.operators.blur import Blur
from invprior.operators.denoise import Denoise
from invprior.operators.downsample import Downsample
from invprior.operators.inpaint import Inpaint
from invprior.priors.dip import DIP
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.tv import TV
from invprior.priors.wavelet import Wavelet
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange
from invprior.testing import parametrize_checks
from tests.networks.cases import SMALL

GROUPS = ("fidelities", "noises", "denoisers", "solvers", "stopping", "weights", "metrics")
BY_NAME = [
    registry.create(e.group, e.name)
    for g in GROUPS
    for e in registry.entries(g)
    if e.package == "invprior"
]
# A box needs its bounds, see tests/priors/test_box.py.
PRIORS = [
    e.name
    for e in registry.entries("priors")
    if e.package == "invprior" and e.name not in ("dip", "box")
]


@parametrize_checks(*BY_NAME)
def test_by_name(check):
    check()


@parametrize_checks(
    Denoise,
    Inpaint,
    Recipe(Blur, {"sigma": 0.7}),
    Recipe(Blur, {"kernel": "motion", "boundary": "circular"}),
    Recipe(Downsample, {"factor": 2}),
    Recipe(
        Compose,
        {
            "operators": (
                Recipe(Blur, {"sigma": 0.7, "boundary": "valid"}),
                Recipe(Inpaint, {"keep": 0.7}),
            )
        },
    ),
)
def test_operators(check):
    check()


@parametrize_checks(
    *(registry.create("priors", name) for name in PRIORS),
    Tikhonov(order=0),
    TV(kind="anisotropic"),
)
def test_priors(check):
    check()


@parametrize_checks(
    Wavelet(wavelet="haar", kind="l0"),
    expected_failures={
        "units": "at an odd side the last pixel goes into the details with its mean"
    },
)
def test_wavelets_at_odd_sides(check):
    check()


@parametrize_checks(
    DIP(net=SMALL["skip"], members=2),
    DIP(net=SMALL["siren"], input="grid", members=1),
    DIP(net=SMALL["unet"], learn_input=True, weight_noise=0.01, members=1),
)
def test_dip(check):
    check()


@parametrize_checks(RelativeChange() | MaxSteps(steps=9), RelativeChange() & MaxSteps(steps=9))
def test_joint_rules(check):
    check()
