"""Checks of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from invprior.errors import IncompatibleError
from invprior.metrics.base import Metric
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import images, noise
from invprior.testing.tensor_methods import tensor_method_checks

_SIZE = (2, 3, 32, 30)  # larger than the windows that some metrics slide over the image


def _calls(metric: Metric) -> Sequence[MethodCall]:
    truth = images(*_SIZE)
    x = truth + 0.05 * noise(*_SIZE)
    return [
        MethodCall("measure", metric, lambda m, x, truth: m.measure(x, truth), (x, truth), (2,))
    ]


def direction(metric: Metric) -> None:
    """A better image scores better, in the direction of higher_is_better, and the ground truth scores best."""
    truth = images(*_SIZE)
    sign = 1 if metric.higher_is_better else -1
    best, near, far = (
        sign * metric.measure(truth + s * noise(*_SIZE), truth) for s in (0.0, 0.02, 0.2)
    )
    if not bool((near > far).all()):
        raise Fault(
            f"higher_is_better is {metric.higher_is_better}, but an image with more noise scores "
            f"{'higher' if sign > 0 else 'lower'} than one with less"
        )
    if not bool((best >= near).all()):
        raise Fault("the ground truth itself does not score best")


def shapes_refused(metric: Metric) -> None:
    """Images of different shapes are refused; broadcasting would compare them silently."""
    truth = images(*_SIZE)
    # A single channel and a single pixel broadcast against the truth; a cropped image does not.
    for x in (truth[:, :1], truth[..., 1:], truth[..., :1, :1]):
        try:
            metric.measure(x, truth)
        except IncompatibleError:
            continue
        except Exception as error:
            raise Fault(
                f"{tuple(x.shape)} against {tuple(truth.shape)} raises {type(error).__name__}; "
                "call invprior.metrics.base.check_shapes first"
            ) from None
        raise Fault(
            f"{tuple(x.shape)} is scored against {tuple(truth.shape)}; call invprior.metrics.base.check_shapes first"
        )


def metric_checks() -> tuple[Check, ...]:
    """Return the checks of every metric."""
    return (*tensor_method_checks(Metric, _calls), *checks_for(Metric, direction, shapes_refused))
