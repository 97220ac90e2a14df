"""How uncertain a lift is where the effect is as planned: more than where there is none."""

from __future__ import annotations

import math

from analyzer.design import Metric
from analyzer.stats.laws import norm_isf


def variance_at(
    metric: Metric, effect: float, level: float, weight: float, z: float, power: float
) -> float:
    """By how much a plan must multiply the variance of the lift without effect: the test needs
    `z` standard errors, as the product will take them from the data, with this power.

    With a true lift d (a guard rail: 0) a test decides at a lift s between: d z / (z + z_power),
    of a guard rail its margin times z_power / (z + z_power). So the plan needs z e(s) + z_power
    r(s) standard errors of no effect, e and r as in `errors`. Infinite where a share would grow
    beyond 1.

    >>> from analyzer.stats.laws import norm_isf
    >>> round(variance_at(Metric(value="revenue"), 0.02, 12.0, 0.5, norm_isf(0.0225), 0.8), 4)
    1.0344
    """
    sign = 1.0 if (metric.better == "higher") != (metric.role == "guard rail") else -1.0
    more = norm_isf(1 - power)
    share = more if metric.role == "guard rail" else z
    true = 0.0 if metric.role == "guard rail" else sign * effect
    taken, real = errors(metric, true, sign * effect * share / (z + more), level, weight)
    return ((z * taken + more * real) / (z + more)) ** 2


def errors(
    metric: Metric, true: float, seen: float, level: float, weight: float
) -> tuple[float, float]:
    """Standard errors of a lift over those without effect, where the true lift is `true`: e, what
    the product takes it for when it sees the lift `seen`; r, by which chance brings it there.

    What an effect multiplies it makes vary as much more: T = (1 + d)^2, of a share p (1 + d) times
    (1 - p (1 + d)) / (1 - p). The control counts (1 + s)^2, as the treatment is compared with
    (1 + s) times the control. r^2 = (1 - w) T + w (1 + s)^2; e^2 the same with max(s, 0), of a
    share the pooled rate's, see `stats.effects`. Fieller (1954), JRSS B 16.

    >>> [round(x, 4) for x in errors(Metric(value="revenue"), 0.2, 0.2, 12.0, 0.5)]
    [1.2, 1.2]
    """
    above = max(1 + seen, 1.0)
    if metric.kind == "proportion" and not metric.covariate:
        if not (0 < level < 1 and 0 < level * (1 + max(true, seen)) < 1):
            return math.inf, math.inf
        treated = (1 + true) * (1 - level * (1 + true)) / (1 - level)
        pooled = level * (1 + weight * seen)
        taken = above * pooled * (1 - pooled) / (level * (1 - level))
    else:
        treated = (1 + true) ** 2
        taken = (1 - weight) * treated + weight * above**2
    return math.sqrt(taken), math.sqrt((1 - weight) * treated + weight * (1 + seen) ** 2)


def with_its_error(
    metric: Metric, lift: float, level: float, weight: float, z: float, power: float
) -> float | None:
    """The lift d with d / sqrt(variance_at(d)) = `lift`; None where there is none below 10."""
    found = lift
    for _ in range(200):
        found = lift * math.sqrt(variance_at(metric, found, level, weight, z, power))
        if not found < 10:
            return None
    return found
