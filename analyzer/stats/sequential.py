"""Always-valid intervals: asymptotic confidence sequences and uniform boundaries."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincc, log_ndtr

from .cells import Number, plain
from .laws import norm_sf
from .paired import Sums, variance
from .result import Result, Undefined, estimate, point


def mixture_precision(alpha: float, n_star: float) -> float:
    """rho^2 = (-2 ln a + ln(1 - 2 ln a)) / N*, which makes the sequence narrowest at N*.

    >>> round(mixture_precision(0.05, 1000), 6)
    0.007936
    """
    if not 0 < alpha < 1 or n_star <= 0:
        raise ValueError(f"alpha = {alpha} and N* = {n_star} cannot plan a sequence")
    nats = -2 * math.log(alpha)
    return (nats + math.log1p(nats)) / n_star


def two_sided_radius(error: Number, n: Number, alpha: float, n_star: float) -> Number:
    """SE sqrt((N rho^2 + 1) / (N rho^2) ln((N rho^2 + 1) / a^2)).

    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52.

    >>> round(two_sided_radius(1.0, 1000, 0.05, 1000), 4)
    3.0352
    """
    scale = n * mixture_precision(alpha, n_star)
    nats = np.log1p(scale) - 2 * math.log(alpha)
    found: Number = plain(error * np.sqrt((scale + 1) / scale * nats))
    return found


def any_time_confidence(n: float, n_star: float, alpha: float = 0.05) -> float:
    """The confidence of a fixed-horizon interval as wide as `two_sided_radius` is after n of n*.

    For intervals that come from elsewhere (a jackknife, a t interval): 1 - 2 (1 - Phi(radius of
    standard error 1)). Read at this confidence at every n, they miss at any time with chance alpha
    at most where their estimates are normal.

    >>> [round(any_time_confidence(days, 14), 5) for days in (7, 14, 28)]
    [0.99795, 0.9976, 0.9978]
    """
    return 1 - 2 * norm_sf(two_sided_radius(1.0, n, alpha, n_star))


def one_sided_radius(error: Number, n: Number, alpha: float, n_star: float) -> Number:
    """SE sqrt(N) sqrt(2 (N rho^2 + 1) / (N^2 rho^2) ln(1 + sqrt(N rho^2 + 1) / (2a))), rho of 2a.

    Waudby-Smith et al. (2024), Annals of Statistics 52.

    >>> round(one_sided_radius(1.0, 1000, 0.05, 1000), 4)
    2.7791
    """
    scale = n * mixture_precision(2 * alpha, n_star)
    nats = np.log1p(np.sqrt(scale + 1) / (2 * alpha))
    found: Number = plain(error * np.sqrt(2 * (scale + 1) / scale * nats))
    return found


def lift(control: Sums, treatment: Sums, relative: bool = True) -> Result:
    """Treatment's mean against control's; `high - value` is one standard error.

    Relative: (mT - mC) / mC with the delta-method error sqrt(vT/mC^2 + vC mT^2/mC^4); absolute:
    mT - mC with sqrt(vT + vC); v = s^2 / n. Undefined with fewer than two units in an arm or,
    if relative, a control mean of 0. Deng, Knoblich, Lu (2018), KDD.

    >>> r = lift(Sums(100, 100.0, 199.0), Sums(100, 110.0, 220.0))
    >>> round(r.value, 3), round(r.high - r.value, 3)
    (0.1, 0.149)
    """
    spread_c, spread_t = variance(control), variance(treatment)
    if isinstance(spread_c, Undefined):
        return spread_c
    if isinstance(spread_t, Undefined):
        return spread_t
    mean_c, mean_t = control.total / control.n, treatment.total / treatment.n
    var_c, var_t = spread_c.value / control.n, spread_t.value / treatment.n
    n, value, squared = control.n + treatment.n, mean_t - mean_c, var_t + var_c
    if relative:
        if mean_c == 0:
            return Undefined("the control's mean is 0: no relative effect", n)
        value = value / mean_c
        squared = var_t / mean_c**2 + var_c * mean_t**2 / mean_c**4
    error = math.sqrt(squared)
    return estimate(value, value - error, value + error, n, "one standard error")


def always_valid_lift(
    control: Sums,
    treatment: Sums,
    n_star: float,
    alpha: float = 0.05,
    relative: bool = True,
    side: str = "both",
) -> Result:
    """Lift with an asymptotic confidence sequence: may be read as often as one likes.

    N = units of both arms; `n_star` is the planned N, fixed before the start. `side`: "both"
    (`two_sided_radius`), "greater" (only a lower end) or "less" (only an upper end,
    `one_sided_radius`). Start reading when the smaller arm expects 25 events. Undefined as `lift`.
    Waudby-Smith et al. (2024); growthbook gbstats.

    >>> control = Sums(3000, 1396.87, 52377.9767)
    >>> r = always_valid_lift(control, Sums(3461, 2422.7, 134698.29), 1000)
    >>> round(r.value, 5), round(r.low, 5), round(r.high, 5)
    (0.50336, -0.55844, 1.56516)
    """
    if side not in ("both", "greater", "less"):
        raise ValueError(f"side is 'both', 'greater' or 'less', not {side!r}")
    found = lift(control, treatment, relative)
    if isinstance(found, Undefined):
        return found
    error = found.high - found.value
    radius = two_sided_radius if side == "both" else one_sided_radius
    half = radius(error, found.n, alpha, n_star)
    low = -math.inf if side == "less" else found.value - half
    high = math.inf if side == "greater" else found.value + half
    method = f"asymptotic confidence sequence {1 - alpha:.0%}, N* {n_star:g}, {side}"
    return estimate(found.value, low, high, found.n, method)


def always_valid_p(
    value: float, error: float, n: float, n_star: float, alpha: float = 0.05
) -> Result:
    """Always-valid p-value of a zero effect, two-sided, see `mixture_p`.

    Undefined without an error.

    >>> always_valid_p(0.50336, 0.33341, 6461, 1000).value
    1.0
    """
    if not error > 0 or n <= 0:
        return Undefined("no standard error", n)
    return point(mixture_p(value / error, n, n_star, alpha), n, "mixture sequential test")


def mixture_p(z: Number, n: Number, n_star: float, alpha: float = 0.05) -> Number:
    """min(1, sqrt(N rho^2 + 1) exp(-z^2 N rho^2 / (2 (N rho^2 + 1)))), z = value / error; at most
    alpha exactly when the sequence of the same alpha excludes 0.
    Johari, Koomen, Pekelis, Walsh (2022), Operations Research 70.

    >>> round(mixture_p(4.0, 1000.0, 1000), 6)
    0.002455
    """
    scale = n * mixture_precision(alpha, n_star)
    nats = np.log1p(scale) / 2 - z**2 * scale / (2 * (scale + 1))
    found: Number = plain(np.exp(np.minimum(nats, 0.0)))
    return found


def spend(alpha: float, look: int) -> float:
    """Error allotted to a numbered look (1, 2, ...): alpha 6 / (pi^2 look^2); sums to alpha.

    >>> round(spend(0.05, 1), 6)
    0.030396
    """
    if look < 1:
        raise ValueError(f"looks are numbered from 1, not {look}")
    return alpha * 6 / (math.pi * look) ** 2


def hourly_look(hours: int, shortest: int) -> int:
    """The number of an hourly look for `spend`: each hour has its own, so that alpha holds for all.

    1 is the shortest allowed duration, later hours are 3, 5, ..., earlier ones 2, 4, ...

    >>> [hourly_look(hours, 4) for hours in (2, 3, 4, 5, 6)]
    [4, 2, 1, 3, 5]
    """
    return 2 * (hours - shortest) + 1 if hours >= shortest else 2 * (shortest - hours)


def two_sided_rho(v_opt: float, alpha: float = 0.05) -> float:
    """Mixture precision v / (2 ln(1/a) + ln(1 + 2 ln(1/a))), best at intrinsic time v_opt.

    >>> round(two_sided_rho(100), 4)
    12.6006
    """
    nats = -2 * math.log(alpha)
    return v_opt / (nats + math.log1p(nats))


def one_sided_rho(v_opt: float, alpha: float = 0.05) -> float:
    """`two_sided_rho` at 2 alpha.

    >>> round(one_sided_rho(100), 4)
    15.8006
    """
    return two_sided_rho(v_opt, 2 * alpha)


def normal_log_mixture(
    s: float, v: float, v_opt: float, alpha_opt: float = 0.05, one_sided: bool = True
) -> float:
    """ln of the normal mixture at sum s and intrinsic time v.

    Two-sided: ln(rho/(v+rho))/2 + s^2/(2(v+rho)); one-sided: ln(4 rho/(v+rho))/2 +
    s^2/(2(v+rho)) + ln Phi(s/sqrt(v+rho)). Howard et al. (2021); confseq.

    >>> round(normal_log_mixture(10, 100, 100), 6)
    -0.065024
    """
    rho = one_sided_rho(v_opt, alpha_opt) if one_sided else two_sided_rho(v_opt, alpha_opt)
    value = math.log(rho / (v + rho)) / 2 + s * s / (2 * (v + rho))
    if one_sided:
        value += math.log(2) + float(log_ndtr(s / math.sqrt(v + rho)))
    return value


def gamma_exponential_log_mixture(
    s: float, v: float, v_opt: float, c: float, alpha_opt: float = 0.05
) -> float:
    """ln of the gamma mixture for sub-exponential sums with scale c.

    With r = rho/c^2, w = (v+rho)/c^2 and x = (c s + v)/c^2: r ln r - ln Gamma(r) - ln P(r, r)
    + ln Gamma(w) + ln P(w, x + r) - w ln(x + r) + x, P the regularised lower incomplete gamma
    function. Howard et al. (2021), proposition 9; confseq.

    >>> round(gamma_exponential_log_mixture(10, 100, 100, 2), 6)
    -0.249016
    """
    r, w, x = _gamma_terms(s, v, one_sided_rho(v_opt, alpha_opt), c)
    lead = r * math.log(r) - math.lgamma(r) - math.log(float(gammainc(r, r)))
    tail = math.lgamma(w) + math.log(float(gammainc(w, x + r)))
    return lead + tail - w * math.log(x + r) + x


def _gamma_terms(s: float, v: float, rho: float, c: float) -> tuple[float, float, float]:
    return rho / c**2, (v + rho) / c**2, (c * s + v) / c**2


def gamma_poisson_log_mixture(
    s: float, v: float, v_opt: float, c: float, alpha_opt: float = 0.05
) -> float:
    """ln of the gamma mixture for sub-Poisson sums with scale c.

    With r = rho/c^2, w = (v+rho)/c^2 and y = s/c + w: r ln r - ln Gamma(r) - ln Q(r, r)
    + ln Gamma(y) + ln Q(y, w) - y ln w + v/c^2, Q the regularised upper incomplete gamma function.
    Howard et al. (2021), proposition 10; confseq.

    >>> round(gamma_poisson_log_mixture(30.194898, 100, 100, 2), 4)
    2.9957
    """
    rho = one_sided_rho(v_opt, alpha_opt)
    r, w = rho / c**2, (v + rho) / c**2
    y = s / c + w
    lead = r * math.log(r) - math.lgamma(r) - math.log(float(gammaincc(r, r)))
    return lead + math.lgamma(y) + math.log(float(gammaincc(y, w))) - y * math.log(w) + v / c**2


def _boundary(log_mixture: Callable[[float], float], v: float, alpha: float) -> float:
    """The smallest sum whose mixture exceeds 1/alpha."""
    threshold = -math.log(alpha)
    end = max(v, 1.0)
    while log_mixture(end) <= threshold:
        end *= 2
    return float(brentq(lambda s: log_mixture(s) - threshold, 0.0, end, xtol=1e-10))


def normal_mixture_bound(
    v: float, alpha: float, v_opt: float, alpha_opt: float = 0.05, one_sided: bool = True
) -> float:
    """The sum that a sub-Gaussian martingale ever exceeds, at time v, with chance alpha at most.

    Inverts `normal_log_mixture`. Howard et al. (2021), proposition 5; confseq.

    >>> round(normal_mixture_bound(100, 0.05, 100), 5)
    27.66071
    """
    return _boundary(lambda s: normal_log_mixture(s, v, v_opt, alpha_opt, one_sided), v, alpha)


def gamma_exponential_mixture_bound(
    v: float, alpha: float, v_opt: float, c: float, alpha_opt: float = 0.05
) -> float:
    """As `normal_mixture_bound` for sub-exponential sums. Howard et al. (2021); confseq.

    >>> round(gamma_exponential_mixture_bound(100, 0.05, 100, 2), 5)
    33.02017
    """
    return _boundary(lambda s: gamma_exponential_log_mixture(s, v, v_opt, c, alpha_opt), v, alpha)


def gamma_poisson_mixture_bound(
    v: float, alpha: float, v_opt: float, c: float, alpha_opt: float = 0.05
) -> float:
    """As `normal_mixture_bound` for sub-Poisson sums. Howard et al. (2021); confseq.

    >>> round(gamma_poisson_mixture_bound(100, 0.05, 100, 2), 2)
    30.19
    """
    return _boundary(lambda s: gamma_poisson_log_mixture(s, v, v_opt, c, alpha_opt), v, alpha)
