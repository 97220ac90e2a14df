"""A rate's interval, fixed-horizon and always-valid, and the sample sizes they need."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv

from .laws import binom_pmf
from .result import Estimate, Result, Undefined, estimate, point

# Tuned for gates of 10,000 to 100,000 requests: narrowest near n = 10,000.
T_OPT: Final = 10_000.0
# A rate below 1 / (1 + e^45) = 3e-20 is 0 for every log that can exist.
_LOGIT_END: Final = 45.0
_MOST_REQUESTS: Final = 1e10
_MOST_READINGS: Final = 2_000


def _check(k: float, n: float) -> float:
    """k clipped to [0, n] against rounding; anything worse is a caller's fault."""
    slack = 1e-9 * max(1.0, n)
    if not (math.isfinite(k) and math.isfinite(n)) or k < -slack or k > n + slack:
        raise ValueError(f"k = {k} is not a count out of n = {n}")
    return min(max(k, 0.0), n)


def effective(k: float, n: float, deff: float) -> tuple[float, float]:
    """Counts of the independent sample that carries the same information.

    k / deff and n / deff; a deff below 1 counts as 1. Kish (1965), *Survey Sampling*.

    >>> effective(10, 10_000, 4.0)
    (2.5, 2500.0)
    """
    if not math.isfinite(deff) or deff <= 0:
        raise ValueError(f"a design effect must be positive, not {deff}")
    by = max(deff, 1.0)
    return k / by, n / by


def clopper_pearson(k: float, n: float, confidence: float = 0.95) -> Result:
    """Exact binomial interval of a rate, read once.

    low = B^-1(a/2; k, n-k+1), high = B^-1(1-a/2; k+1, n-k), a = 1 - confidence. `k` events of
    `n` requests; both may be effective (non-integer) counts. Undefined when n <= 0.
    Clopper and Pearson (1934), Biometrika 26.

    >>> round(clopper_pearson(0, 3688).high, 7)
    0.0009997
    """
    if n <= 0:
        return Undefined("no requests", n)
    k = _check(k, n)
    a = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, a)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - a)) if k < n else 1.0
    # Root finding resolves about 1e-12; the rate itself may be smaller.
    low, high = min(low, k / n), max(high, k / n)
    return estimate(k / n, low, high, n, f"Clopper-Pearson {confidence:.0%}")


def mixture_weight(t_opt: float, alpha: float) -> float:
    """Prior sample size c of the beta mixture that is narrowest near n = t_opt.

    c = max(t_opt / (2 ln(1/a) + ln(1 + 2 ln(1/a))) - 1, 1e-3).

    >>> round(mixture_weight(10_000, 0.05), 1)
    1259.1
    """
    nats = -2 * math.log(alpha)
    return max(t_opt / (nats + math.log1p(nats)) - 1, 1e-3)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_bayes_factor(k: float, n: float, p: float, c: float, q: float | None = None) -> float:
    """ln of the evidence against a rate p: beta(cp, c(1-p)) mixture over the rate p itself.

    ln B(cp+k, cq+n-k) - ln B(cp, cq) - k ln p - (n-k) ln q, with q = 1 - p.

    >>> round(log_bayes_factor(5, 50, 0.5, 5.0), 3)
    15.355
    """
    q = 1 - p if q is None else q
    evidence = _log_beta(c * p + k, c * q + (n - k)) - _log_beta(c * p, c * q)
    return evidence - k * math.log(p) - (n - k) * math.log(q)


def _crossing(k: float, n: float, c: float, threshold: float, end: float) -> float | None:
    """The rate between k/n and the given end of the logit line where the evidence suffices."""

    def excess(x: float) -> float:
        return log_bayes_factor(k, n, 1 / (1 + math.exp(-x)), c, 1 / (1 + math.exp(x))) - threshold

    if excess(end) <= 0:
        return None
    middle = math.log(k / (n - k)) if 0 < k < n else -end
    x = float(brentq(excess, min(max(middle, -_LOGIT_END), _LOGIT_END), end, xtol=1e-13))
    return 1 / (1 + math.exp(-x))


def bernoulli_sequence(k: float, n: float, alpha: float = 0.05, t_opt: float = T_OPT) -> Result:
    """Always-valid interval of a rate: may be read at every request without inflating error.

    All p whose beta-binomial Bayes factor stays below 1/alpha (`log_bayes_factor` with
    c = `mixture_weight(t_opt, alpha)`). `k` events of `n` requests, effective counts allowed;
    `t_opt` is the n at which it is narrowest. Undefined when n <= 0.
    Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49; confseq.

    >>> r = bernoulli_sequence(700, 1000, t_opt=100)
    >>> round(r.low, 6), round(r.high, 6)
    (0.65163, 0.74595)
    """
    if n <= 0:
        return Undefined("no requests", n)
    k = _check(k, n)
    c = mixture_weight(t_opt, alpha)
    threshold = -math.log(alpha)
    low = _crossing(k, n, c, threshold, -_LOGIT_END) if k > 0 else None
    high = _crossing(k, n, c, threshold, _LOGIT_END) if k < n else None
    method = f"beta-binomial confidence sequence {1 - alpha:.0%}, t_opt {t_opt:g}"
    return estimate(k / n, low or 0.0, 1.0 if high is None else high, n, method)


def _power_n(rate: float, limit: float, tail: float, power: float, shift: float) -> float:
    """n at which the (interpolated) exact test has the power; shift 0 top, 1 foot of the teeth."""
    smallest = math.log(tail) / math.log1p(-limit)

    def shortfall(log_n: float) -> float:
        n = math.exp(log_n)
        k = brentq(lambda k: betainc(n - k, k + 1, 1 - limit) - tail, -1 + 1e-9, n * limit)
        return float(betainc(n - k + shift, max(k + 1 - shift, 1e-12), 1 - rate)) - power

    start = math.log(smallest * (1 + 1e-9))
    if shortfall(start) >= 0:
        return smallest
    end = start
    while shortfall(end) < 0 and end < math.log(_MOST_REQUESTS):
        end += 1.0
    return math.exp(brentq(shortfall, start, end)) if shortfall(end) >= 0 else math.inf


def requests_needed(
    true_rate: float,
    limit: float,
    confidence: float = 0.95,
    power: float = 0.8,
    always_valid: bool = False,
    t_opt: float = T_OPT,
    per_reading: float | None = None,
) -> Result:
    """Requests after which a true rate below the limit is established with the given power.

    Fixed: P(Clopper-Pearson high < limit) = power. The exact power is a saw-tooth in n, so the
    value is the middle of its teeth, `low` and `high` the n where their tips and feet reach the
    power; other readings of the definition differ by up to that much. At the defaults: .05 %
    against .1 % gives 25,831 (23,770 to 27,811), .08 % gives 183,440 (178,398 to 188,414); a
    true rate of 0 has no teeth: 3,688.
    Always-valid: the reading by which a share `power` of runs has been established by
    `bernoulli_sequence`, read every `per_reading` requests (default: a 24th of the fixed n), by
    exact first-passage recursion; `low` is the reading before. It moves with `t_opt` and, by up
    to one step, with `per_reading`: .05 % against .1 % gives 42,003 (40,926 to 42,003).
    Rates are shares, not percents. Undefined when true_rate >= limit (never established) or more
    than 1e10 requests are needed.
    Brown, Cai, DasGupta (2001), Statistical Science 16, for the saw-tooth.

    >>> requests_needed(0.0, 0.001).value, requests_needed(0.0005, 0.001).value
    (3688.0, 25831.0)
    """
    if not 0 < limit < 1 or not 0 <= true_rate <= 1:
        raise ValueError(f"rates must be shares: true {true_rate}, limit {limit}")
    if true_rate >= limit:
        return Undefined("a true rate at or above the limit is never established below it")
    tail = (1 - confidence) / 2
    low, value, high = (
        _power_n(true_rate, limit, tail, power, shift)
        if true_rate > 0
        else math.log(tail) / math.log1p(-limit)
        for shift in (0.0, 0.5, 1.0)
    )
    if not math.isfinite(high):
        return Undefined("more than 1e10 requests are needed")
    if always_valid:
        step = math.ceil(per_reading or max(value / 24, 1))
        return _first_passage(true_rate, limit, 1 - confidence, power, t_opt, step)
    method = f"Clopper-Pearson {confidence:.0%}, power {power:.0%}"
    value = math.ceil(value)
    return estimate(value, min(math.ceil(low), value), math.ceil(high), value, method)


def _largest_passing(n: float, limit: float, c: float, threshold: float) -> int:
    """The largest number of events in n requests that puts the sequence below the limit."""

    def excess(k: float) -> float:
        return log_bayes_factor(k, n, limit, c) - threshold

    if excess(0.0) <= 0:
        return -1
    return math.floor(float(brentq(excess, 0.0, n * limit)))


def _first_passage(
    rate: float, limit: float, alpha: float, power: float, t_opt: float, step: int
) -> Result:
    """Recursion over readings of the distribution of counts not yet established."""
    c, threshold = mixture_weight(t_opt, alpha), -math.log(alpha)
    spread = 10 * math.sqrt(step * rate) + 10
    first = max(0, math.floor(step * rate - spread))
    last = min(step, math.ceil(step * rate + spread))
    gain = binom_pmf(np.arange(first, last + 1), step, rate)
    alive, offset, passed = np.ones(1), 0, 0.0
    for reading in range(1, _MOST_READINGS + 1):
        n = reading * step
        alive, offset = np.convolve(alive, gain), offset + first
        width = max(0, _largest_passing(n, limit, c, threshold) - offset + 1)
        newly = float(alive[:width].sum())
        alive, offset = alive[width:], offset + min(width, len(alive))
        if passed + newly >= power:
            method = f"confidence sequence {1 - alpha:.0%}, power {power:.0%}, read every {step}"
            return estimate(n, n - step, n, n, method)
        passed += newly
        kept = len(alive) - int(np.searchsorted(np.cumsum(alive[::-1]), 1e-14))
        alive = alive[:kept]
        if kept == 0:
            break
    return Undefined(f"not established within {_MOST_READINGS} readings of {step} requests")


def detectable_rate(
    n: float,
    limit: float,
    confidence: float = 0.95,
    power: float = 0.9,
    always_valid: bool = False,
    t_opt: float = T_OPT,
) -> Result:
    """Smallest true rate above the limit that n requests would have shown to be above it.

    With k* the fewest events whose whole interval lies above the limit,
    P(X >= k* | n, rate) = power: rate = B^-1(power; k*, n-k*+1). `n` may be effective. One
    reading at n: earlier always-valid readings can only find more. Undefined when not even n
    events of n would do. Clopper and Pearson (1934), Biometrika 26.

    >>> round(detectable_rate(26_000, 0.001).value, 6)
    0.00173
    """
    if n <= 0:
        return Undefined("no requests", n)
    fewest = _fewest_failing(n, limit, confidence, always_valid, t_opt)
    if fewest is None:
        return Undefined("no number of events among so few requests exceeds the limit", n)
    rate = float(betaincinv(fewest, n - fewest + 1, power))
    return point(rate, n, f"rate found above {limit:g} with power {power:.0%}")


def _fewest_failing(
    n: float, limit: float, confidence: float, always_valid: bool, t_opt: float
) -> int | None:
    interval: Callable[[float], Result]
    if always_valid:

        def interval(k: float) -> Result:
            return bernoulli_sequence(k, n, 1 - confidence, t_opt)
    else:

        def interval(k: float) -> Result:
            return clopper_pearson(k, n, confidence)

    def fails(k: int) -> bool:
        found = interval(float(k))
        return isinstance(found, Estimate) and found.low > limit

    low, high = math.floor(n * limit), math.floor(n)
    if not fails(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(middle) else (middle, high)
    return high
