"""Deep Image Prior: the image is the output of a network that is fitted to this measurement alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from invprior.errors import IncompatibleError, MeasurementError, OptionError
from invprior.fidelities.base import QuadraticFidelity
from invprior.io.images import to_tensor
from invprior.networks.base import Network
from invprior.networks.recompute import recompute
from invprior.noise_estimation.base import is_rounding
from invprior.numerics.box import Box
from invprior.numerics.complex_parts import parts
from invprior.numerics.random import child_generator
from invprior.operators.base import LinearOperator
from invprior.priors._companion import companion_for
from invprior.priors._dip_presets import PRESETS, Companion, Input, Precision, PresetName
from invprior.priors._generated import Generated, Members, extend_guide
from invprior.priors._recorrupted import Recorruption
from invprior.problem.data import DataTerm
from invprior.problem.functionals import Reparameterization
from invprior.registry.options import option_values
from invprior.registry.spec import Spec, Value

T = TypeVar("T")


class DIP(Reparameterization):
    """Deep Image Prior: x = f_theta(z), a convolutional network of a fixed random input z.

    The network fits the structure of the image long before the noise, so a run must stop in time. Without a stopping
    rule, invprior's own presets stop by the rule `holdout`, within `steps`, and those of the paper run all `steps`. Use
    another prior when seconds matter.

    An option that is not given takes the preset's value, or the value that a given network prefers. The page "Deep
    Image Prior" of the documentation lists the presets.

    Source: Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", IJCV 2020. The presets `paper-...` are its settings for
    each task (`paper` is denoising); they fit the plain residual, and the others the back-projected one. weight_noise
    and rollback are in the authors' code. langevin is Cheng et al., "A Bayesian perspective on the Deep Image Prior",
    CVPR 2019.

    Args:
        preset: a complete setting.
        net: the network.
        input: the input z: uniform noise in [0, input_scale], normal noise of standard deviation input_scale, the grid
            of coordinates (x, y) in [0, 1], a guide image of the same scene, or the measurement. The measurement is for
            linear operators and Gaussian noise of standard deviation sigma. With n fresh at every iteration, the
            network then sees an image of y + n, by a damped inverse of the operator, and is fitted to
            y - (sigma / input_noise)^2 n (Pang et al., "Recorrupted-to-Recorrupted", CVPR 2021). The noises of both are
            independent, so passing the noise on gains nothing. "auto" is the measurement where that is cheap and
            shows an image without holes: denoising, blur, downsampling. Where there is next to no noise, behind
            downsampling, "fast" takes the solver's initial estimate, by default the companion's image. It is uniform
            noise elsewhere, and when channels, input_scale, input_noise or learn_input is given.
        guide: file of the guide image, of the restoration's size, such as a flash photograph of the scene; in Python
            also a tensor, (C, H, W). It sets input to "guide".
        learn_input: whether z is optimised together with the network's weights.
        channels: channels of z; a grid has 2, a guide its own.
        input_scale: size of the noise in z.
        input_noise: standard deviation of the noise added to z, fresh at every iteration; by default 0.7 of the
            measurement's own when z is the measurement.
        weight_noise: standard deviation of the noise added to the filters, fresh at every iteration, as a fraction of
            each filter bank's own.
        langevin: standard deviation of the noise that every step leaves in the filters, as a multiple of lr. The run
            then samples networks instead of converging to one, and their average overfits later. 0 for none; its paper
            uses 2.
        members: number of networks in the ensemble, each fitted by itself; their mean is the result. Two networks take
            twice the time of one, differ less from run to run, and gain about half a decibel on noisy images.
        average: decay of the running average of the output, which is the result; 0 for none.
        lr: Adam's step size.
        steps: number of iterations when no stopping rule is given; the largest number with invprior's own presets,
            which stop by themselves.
        companion: whether the result is the weighted mean of the network's image and that of an explicit prior, `pnp`,
            for the same problem. Their errors differ, so the mean is usually 0.1 to 0.6 dB better. "auto" takes the
            mean where the network may see the measurement. The denoiser of `pnp` is then `nl-ridge`, or `nlm` where
            there are fewer measurements than pixels. By default it is the preset's, and "none" when net, input or guide
            is given.
        precision: precision of the network's layers on float32 images. bfloat16 is faster where the processor computes
            in it, and fits as quickly per iteration; auto uses it only there. Weights, energy and result stay float32.
        recompute: whether layers are computed again in the backward pass, with the same bits: about two thirds of the
            memory, for about a third more time.
    """

    takes_complex = True  # the network makes the real and the imaginary parts as channels

    def __init__(
        self,
        *,
        preset: PresetName = "default",
        net: Network | None = None,
        input: Input | None = None,
        guide: str | Path | Tensor | None = None,
        learn_input: bool = False,
        channels: Annotated[int, Gt(0)] | None = None,
        input_scale: Annotated[float, Gt(0)] | None = None,
        input_noise: Annotated[float, Ge(0)] | None = None,
        weight_noise: Annotated[float, Ge(0)] | None = None,
        langevin: Annotated[float, Ge(0)] = 0.0,
        members: Annotated[int, Gt(0)] | None = None,
        average: Annotated[float, Ge(0), Lt(1)] | None = None,
        lr: Annotated[float, Gt(0)] | None = None,
        steps: Annotated[int, Gt(0)] | None = None,
        companion: Companion | None = None,
        precision: Precision | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        default = PRESETS[preset]
        self.preset = preset
        self.net = chosen(net, default.net)
        # The option as it was given, for the record, and the image.
        self.guide, self._guide = guide, None if guide is None else _read(guide)
        if net is not None:
            default = default.suiting(net)
        self.input = chosen(input, default.input if guide is None else "guide")
        # These options describe a random z, so giving one asks for it.
        describes_z = any(o is not None for o in (channels, input_scale, input_noise))
        if input is None and self.input == "auto" and (describes_z or learn_input):
            self.input = "uniform"
        self.learn_input = learn_input
        self.channels, self.input_noise = channels, input_noise
        if self.input != "measurement":
            self.channels = chosen(channels, self._usual_channels(default.channels))
            self.input_noise = chosen(input_noise, default.input_noise)
        self.input_scale = chosen(input_scale, default.input_scale)
        self.weight_noise = chosen(weight_noise, default.weight_noise)
        self.langevin = langevin
        self.members = chosen(members, default.members)
        self.average = chosen(average, default.average)
        self.lr = chosen(lr, default.lr)
        self.steps, self.stops_early = chosen(steps, default.steps), default.stops_early
        self.refit, self._refines = default.refit, default.refines
        # Who names a network or its input asks for the image of that network.
        own = any(o is not None for o in (net, input, guide, channels, input_scale, input_noise))
        self.companion = chosen(companion, "none" if own or learn_input else default.companion)
        self.precision = chosen(precision, default.precision)
        self.recompute = recompute
        adam: dict[str, Value] = {"lr": self.lr, "average": self.average, "langevin": langevin}
        if not default.back_projection:
            adam["back_projection"] = False
        self.default_solver = Spec("adam", adam)
        self._recorruption: Recorruption | None = None
        self._check()

    def condition(self, data: DataTerm) -> DIP:
        """Return the prior with the measurement as its input, where the options ask for it.

        Raises:
            IncompatibleError: the operator is not linear, or the noise is not Gaussian.
        """
        if self.input not in ("auto", "measurement") or self.sees_estimate:
            return self
        operator, sigma, auto = data.operator, data.noise_level, self.input == "auto"
        fits = isinstance(data.fidelity, QuadraticFidelity) and isinstance(operator, LinearOperator)
        # An iterative inverse would be too slow to draw from at every step.
        if auto and not (fits and operator.back_projects):
            return self
        if not fits:
            raise IncompatibleError(
                "dip with input=measurement needs a linear operator and Gaussian noise; leave input out."
            )
        noise = _NOISE_FACTOR * sigma if auto else chosen(self.input_noise, _NOISE_FACTOR * sigma)
        assert isinstance(operator, LinearOperator)
        # One network has no other to compare with, so the estimate is too noisy: 0.9 dB less on moon, 0.2 on average.
        keeps = operator.is_identity and self.members > 1
        held_out = data.held_out if keeps else None
        source = Recorruption(
            operator, noise, (sigma / noise) ** 2, _DAMPING * sigma**2, data.target, held_out
        )
        if auto and not (_samples_all(operator) and source.shows_all()):
            return self
        doubtful = data.noise is not None and data.noise.note is not None
        if auto and (doubtful or is_rounding(sigma, data.noise)):
            # Without noise there is nothing to pass on. But an inverse may make rounding visible.
            amplified = source.amplification()
            if amplified <= _AMPLIFIED and (not doubtful or amplified * sigma <= _LITTLE):
                refines = self._refines and self.companion == "auto" and not operator.is_identity
                return self._refining(operator) if refines else self
            # Of twice the noise that there is, the network learns to remove detail: 1.7 dB behind downsampling by 4.
            if doubtful:
                return self
        with torch.no_grad():
            image = source.image_of(data.target)
        # As a guide, so that a conditioned prior returns itself when it is conditioned again.
        conditioned = self._with_guide(image, channels=None, input_noise=noise)
        conditioned._recorruption = source
        own = (self.held_out, self.refit)
        conditioned.held_out, conditioned.refit = (_HELD_OUT, _REFIT) if keeps else own
        if auto:
            conditioned.choices = (("input", "measurement", _WHY),)
        if self.companion == "auto":
            conditioned.solved_with = companion_for(operator)
        return conditioned

    def _refining(self, operator: LinearOperator) -> DIP:
        """Return the prior whose input is the initial estimate, that of its companion unless the user gives one."""
        _, own = option_values(self)
        found = DIP(**own)
        found.sees_estimate, found.choices = True, (("input", "initial estimate", _REFINES),)
        found.solved_with = companion_for(operator)._replace(share=0.0, shown=True)
        return found

    @property
    def sees_measurement(self) -> bool:
        """Whether the input is the measurement, with noise of its own."""
        return self._recorruption is not None

    @property
    def kept_offset(self) -> Tensor | None:
        """The offsets of predictions that are the same at every call, where the input is the measurement."""
        source = self._recorruption
        return None if source is None or source.kept is None else source.factor * source.kept

    def fit_all(self) -> None:
        """Draw fresh noise for every measurement from now on."""
        if self._recorruption is not None and self._recorruption.kept is not None:
            self._recorruption.kept.zero_()

    def reading(self, y: Tensor, noise: float) -> DIP:
        """Return a prior of one network whose input is y, in full precision, for a derivative along y."""
        return self._with_guide(
            y, channels=y.shape[1], input_noise=noise, members=1, precision="full"
        )

    def _with_guide(self, y: Tensor, **options: Any) -> DIP:
        _, own = option_values(self)
        return DIP(**{**own, "input": "guide", "guide": y, **options})

    def _usual_channels(self, preset: int) -> int:
        if self.input == "grid":
            return 2
        return preset if self._guide is None else self._guide.shape[1]

    def _check(self) -> None:
        if self.input == "grid" and self.channels != 2:
            raise OptionError(
                'The channels of dip must be 2 when input is "grid"; '
                f"got {self.channels}. Leave channels out."
            )
        if self.input == "measurement" and (self.channels is not None or self.input_noise == 0):
            raise OptionError(
                "dip with input=measurement takes the measurement's channels and needs input_noise above 0; "
                f"got channels={self.channels} and input_noise={self.input_noise}. Leave them out."
            )
        if (self.input == "guide") != (self._guide is not None):
            raise OptionError(
                f'The guide of dip must be given when, and only when, input is "guide"; got input={self.input} '
                f"and {'no guide' if self._guide is None else 'a guide'}. Name the image: guide=flash.png."
            )
        if self._guide is not None and self.channels != self._guide.shape[1]:
            raise OptionError(
                f"The channels of dip must be the guide's, {self._guide.shape[1]}; "
                f"got {self.channels}. Leave channels out."
            )

    def build(self, x0: Tensor, generator: torch.Generator) -> Generated | Members:
        """Make fresh networks and their inputs, different ones at each call.

        Args:
            x0: an image with the shape, dtype and device of the output; its values are not used.
            generator: source of the weights, of z and of the noise on both; on the CPU.

        Returns:
            A module whose `forward()` returns (members, C, H, W).

        Raises:
            MeasurementError: the guide image has another size.
        """
        made = [self._member(k, x0, generator) for k in range(self.members)]
        return made[0] if len(made) == 1 else Members(made)

    def _member(self, k: int, x0: Tensor, generator: torch.Generator) -> Generated:
        assert self.channels is not None
        assert self.input_noise is not None
        # The order of these draws is part of a seed's result: weights, z, then the noise.
        channels = x0.shape[1] if self.sees_estimate else self.channels
        network = self.net.build(channels, x0.shape[1], generator)
        if self.recompute:
            recompute(network)
        z = self._z(x0, generator)
        noise, source = child_generator(generator, x0.device), self._recorruption
        low = self.precision == "bfloat16"
        if self.precision == "auto":
            low = computes_in_bfloat16(x0.device)
        image = Generated(
            network,
            z,
            size=(x0.shape[-2], x0.shape[-1]),
            noise=self.input_noise,
            weight_noise=self.weight_noise,
            learn_input=self.learn_input,
            low_precision=low,
            generator=noise,
            recorrupt=None if source is None else partial(source.draw, k),
        )
        image.to(x0)  # its dtype too, so that float64 images get a float64 network
        if low or prefers_channels_last(x0.device):
            image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return image

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of z."""
        return self.net.input_size(height, width)

    def restrict(self, box: Box) -> DIP:
        """Return this prior with the guide cut to the box, if it has one."""
        if self._guide is None:
            return self
        _, options = option_values(self)
        return DIP(**{**options, "guide": box.of(self._guide)})

    def leaner(self, device: torch.device) -> list[DIP]:
        """Return variants in bfloat16, with recomputed layers, and with both."""
        fast, now = computes_in_bfloat16(device), (self.precision, self.recompute)
        low = "auto" if fast and self.precision == "auto" else "bfloat16"
        # Emulated bfloat16 is slower than recomputing layers.
        options = [(low, self.recompute), (self.precision, True)]
        options = [*(options if fast else reversed(options)), (low, True)]
        _, own = option_values(self)
        return [
            DIP(**{**own, "precision": precision, "recompute": again})
            for precision, again in dict.fromkeys(options)
            if (precision, again) != now
        ]

    def _z(self, x0: Tensor, generator: torch.Generator) -> Tensor:
        """Make z, (1, channels, h, w), for an output of the size of x0."""
        size = (x0.shape[-2], x0.shape[-1])
        height, width = self.net.input_size(*size)
        if self.input == "grid":
            y = torch.linspace(0, 1, height)[:, None].expand(height, width)
            x = torch.linspace(0, 1, width).expand(height, width)
            return torch.stack((x, y))[None]
        guide = x0 if self.sees_estimate else self._guide
        if guide is not None:
            return extend_guide(guide.detach().cpu(), size, (height, width))
        assert self.channels is not None
        draw = torch.randn if self.input == "normal" else torch.rand
        return draw(1, self.channels, height, width, generator=generator) * self.input_scale


# Times sigma. With more noise smooth images gain and detailed ones lose; with less, the other way round.
_NOISE_FACTOR = 0.7
# Times sigma^2, as adam back-projects the residual. With 10 in its place a blurred image is overfitted sooner.
_DAMPING = 30.0
# What an inverse may make of rounding before it counts as noise. Enlarging makes 1.0 to 1.3 times as much of it, a blur
# of 0.6 pixels 3 times, and one of 1 or more 15 to 40 times. Fitted exactly, a blurred 8-bit image ends at 15 dB.
_AMPLIFIED = 2.0
# Of the range: noise that costs less than stopping early does. An estimate of little trust is usually too high.
_LITTLE = 0.01
# Where the noise is taken off the error at held-out pixels. With half as many pixels the stop came anywhere from 25 to
# 75 steps on 96 px crops. After half of the steps to it, a fit of all pixels is past its best.
_HELD_OUT, _REFIT = 0.1, 0.4
_REFINES = (
    "there is little noise to learn, and a network that sees an estimate refines it in few steps"
)
_WHY = "a network that sees one copy of Gaussian noise and fits an independent one does not pass the noise on"


def _samples_all(operator: LinearOperator) -> bool:
    """Return whether a transform of the image is measured as a whole; else its inverse shows aliasing, not holes."""
    mask = operator.observation_mask
    return operator.measures_pictures is not False or mask is None or bool(mask.all())


def _read(guide: str | Path | Tensor) -> Tensor:
    """Read the guide image, (1, C, H, W)."""
    image = to_tensor(guide)
    if len(image) != 1:
        raise MeasurementError(f"The guide of dip must be one image; got {len(image)}.")
    image = parts(image.detach().cpu())
    return image if image.dtype == torch.float64 else image.float()


def computes_in_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions for bfloat16; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere, the first with bfloat16
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # missing in older torch
    return device.type == "cpu" and any(getattr(torch.cpu, t, bool)() for t in tests)


def prefers_channels_last(device: torch.device) -> bool:
    """Return whether float32 convolutions are fastest with the channels of a pixel side by side."""
    # With AVX2 the gradients of weights take twice as long in that order.
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2"


def chosen(given: T | None, preset: T) -> T:
    """Return a given option, or the preset's when it is None."""
    return preset if given is None else given
