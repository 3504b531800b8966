"""Checks of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from invprior.errors import IncompatibleError
from invprior.metrics.base import Metric
from invprior.testing.method_calls import Use, images, noise
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.tensor_methods import map_checks

_SIZE = (2, 3, 32, 30)  # some metrics look through windows


def _uses(metric: Metric) -> Sequence[Use]:
    truth = images(*_SIZE)
    x = truth + 0.05 * noise(*_SIZE)
    return [Use("measure", metric, lambda m, x, truth: m.measure(x, truth), (x, truth), (2,))]


def direction(metric: Metric) -> None:
    """An image nearer to the truth scores better, in the sense of higher_is_better, and the truth itself best."""
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
        raise Fault("the truth itself does not score best")


def shapes_refused(metric: Metric) -> None:
    """Images of different shapes are refused, which broadcasting would compare without a word."""
    truth = images(*_SIZE)
    for x in (truth[:, :1], truth[..., 1:], truth[..., :1, :1]):
        try:
            metric.measure(x, truth)
        except IncompatibleError:
            continue
        except Exception as error:
            raise Fault(
                f"{tuple(x.shape)} against {tuple(truth.shape)} ends in {type(error).__name__}; "
                "call invprior.metrics.base.check_shapes first"
            ) from None
        raise Fault(
            f"{tuple(x.shape)} is scored against {tuple(truth.shape)}; call invprior.metrics.base.check_shapes first"
        )


def metric_checks() -> tuple[Check, ...]:
    """Of every metric."""
    return (*map_checks(Metric, _uses), *checks_for(Metric, direction, shapes_refused))
