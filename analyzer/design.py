"""`[experiment]` of `rollout.toml`: who was shown what, what decides, what must not suffer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

OUTCOME_COLUMNS = ("unit_id", "ts", "variant", "cluster_id", "event_id")
"""Names that `[experiment.columns]` maps; metrics, covariates and segments go by their own."""

CLUSTER = "cluster_id"
"""What units are assigned by, or nested in: households, shops, regions."""

OFFLINE = ("auc", "roc", "ndcg", "logloss", "log_loss", "brier", "accuracy", "f1", "rmse", "mae")
"""Words of metrics that say how well a model predicts, not what it does for the business."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
Refuse = Callable[[str], None]


class Metric(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One metric of the units.

    kind: mean (total of `value` per unit), proportion (units with any `value` that is not 0),
    count (events per unit), ratio (total of `value` over total of `denominator`), quantile (`of`
    the units' totals, or of single events: those with a value; `ignore_zeros` leaves out zeros of
    either). role: exactly one primary; goals are secondary; a guard rail must not be worse
    by `margin`, a share of the control's value. better: which way is good. covariate: column
    known before the experiment (CUPED), by default none. winsorise: quantile of the units' totals
    beyond which they are cut, shown beside the plain metric. business: whether it is money or
    behaviour; false for offline scores.
    """

    kind: Literal["mean", "proportion", "count", "ratio", "quantile"] = "mean"
    role: Literal["primary", "secondary", "guard rail"] = "secondary"
    better: Literal["higher", "lower"] = "higher"
    value: str = ""
    denominator: str = ""
    covariate: str = ""
    quantile: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    of: Literal["units", "events"] = "units"
    ignore_zeros: bool = False
    margin: Annotated[float, Meta(gt=0)] | None = None
    winsorise: Annotated[float, Meta(gt=0.5, lt=1)] | None = None
    business: bool = True

    @property
    def of_events(self) -> bool:
        """Whether it is a quantile of single events."""
        return self.kind == "quantile" and self.of == "events"

    @property
    def words(self) -> str:
        """What it is, in words.

        >>> Metric(kind="quantile", of="events", value="latency", quantile=0.99).words
        'P99 of latency over events'
        """
        order = f"{100 * self.quantile:.4g}"
        zeros = ", zeros ignored" if self.ignore_zeros else ""
        return {
            "mean": f"{self.value} per unit",
            "proportion": f"share of units with {self.value}",
            "count": "events per unit",
            "ratio": f"{self.value} over {self.denominator}",
            "quantile": f"P{order} of {self.value} over {self.of}{zeros}",
        }[self.kind]


class Experiment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An A/B test: its outcomes log, its arms, its metrics.

    outcomes: one row per unit and event. exposures: one row per unit that was exposed, where that
    is logged: units without a row do not count, nor do their outcomes before it; else a unit is
    exposed by its first outcome. champion, challenger: their values in the column `variant`.
    segments: columns of units. A `cluster_id` among `columns` says that units come in clusters:
    those of one are not independent of each other. weight: the planned share of the challenger.
    """

    outcomes: list[str]
    exposures: list[str] = []
    columns: dict[str, str] = {}
    champion: str = "champion"
    challenger: str = "challenger"
    weight: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    weight_reason: str = ""
    segments: list[str] = []
    metrics: dict[str, Metric] = {}

    @property
    def values(self) -> list[str]:
        """Columns that are summed per unit, each once, in order of the metrics."""
        named = [m.value for m in self.metrics.values()]
        named += [m.denominator for m in self.metrics.values()]
        return list(dict.fromkeys(column for column in named if column))

    @property
    def event_values(self) -> list[tuple[str, bool]]:
        """Columns whose single events are binned, and whether without zeros; each once."""
        wanted = [(m.value, m.ignore_zeros) for m in self.metrics.values() if m.of_events]
        return list(dict.fromkeys(wanted))

    @property
    def covariates(self) -> list[str]:
        """Columns known before the experiment, each once."""
        return list(dict.fromkeys(m.covariate for m in self.metrics.values() if m.covariate))

    @property
    def clustered(self) -> bool:
        """Whether units come in clusters: `[experiment.columns] cluster_id` says so."""
        return CLUSTER in self.columns

    @property
    def words(self) -> list[str]:
        """Columns of words that are a unit's own: its segments, then its cluster."""
        return [*self.segments, *([CLUSTER] if self.clustered else [])]

    @property
    def primary(self) -> str:
        """Name of the metric that decides."""
        return next(name for name, m in self.metrics.items() if m.role == "primary")

    @property
    def weights(self) -> dict[str, float]:
        """Planned share of each arm."""
        return {"champion": 1 - self.weight, "challenger": self.weight}


def check_design(experiment: Experiment, refuse: Refuse) -> None:
    """Say what contradicts itself; `refuse` raises for it."""
    unknown = sorted(set(experiment.columns) - {*OUTCOME_COLUMNS, *experiment.segments})
    if unknown:
        refuse(
            f"[experiment.columns] {unknown[0]!r} is no column of outcomes; map "
            f"{', '.join(OUTCOME_COLUMNS)} or segments to names in the log"
        )
    if not experiment.outcomes:
        refuse("[experiment] outcomes is empty; name the files that outcomes are logged in")
    if experiment.champion == experiment.challenger:
        refuse(f"[experiment] both arms are called {experiment.champion!r} in the log")
    primary = [name for name, m in experiment.metrics.items() if m.role == "primary"]
    if len(primary) != 1:
        refuse(
            f"[experiment.metrics] {len(primary)} metrics have role primary "
            f"({', '.join(primary) or 'none'}); exactly one decides"
        )
    both = sorted(set(experiment.values) & set(experiment.covariates))
    if both:
        refuse(
            f"[experiment.metrics] covariate {both[0]!r} is also what is measured; a covariate is "
            "what was known before the experiment, in a column of its own"
        )
    for name, metric in experiment.metrics.items():
        _check_metric(name, metric, refuse)


def _check_metric(name: str, metric: Metric, refuse: Refuse) -> None:
    where = f"[experiment.metrics.{name}]"
    if not _NAME.fullmatch(name):
        refuse(f"{where}: a metric's name is letters, digits, - and _, at most 60")
    needs: Mapping[str, tuple[str, ...]] = {"ratio": ("value", "denominator"), "count": ()}
    for key in needs.get(metric.kind, ("value",)):
        if not getattr(metric, key):
            refuse(f"{where} kind = {metric.kind!r} needs `{key}`, a column of outcomes")
    if metric.denominator and metric.kind != "ratio":
        refuse(f"{where} denominator means nothing where kind = {metric.kind!r}")
    if metric.role == "guard rail" and metric.margin is None:
        refuse(
            f"{where} a guard rail needs `margin`, the share by which it may get worse: "
            "without one, one harmless treatment in forty passes and none is shown to be safe"
        )
    if metric.role != "guard rail" and metric.margin is not None:
        refuse(f"{where} margin means nothing where role = {metric.role!r}")
    if metric.winsorise is not None and metric.kind != "mean":
        refuse(f"{where} winsorise means nothing where kind = {metric.kind!r}")
    for key, said in (("of", metric.of != "units"), ("ignore_zeros", metric.ignore_zeros)):
        if said and metric.kind != "quantile":
            refuse(f"{where} {key} means nothing where kind = {metric.kind!r}")
    if metric.covariate and metric.kind == "quantile":
        refuse(f"{where} covariate means nothing where kind = 'quantile'")


def offline(name: str, metric: Metric) -> bool:
    """Whether a metric tells of predictions and not of business: declared so, or by its name.

    >>> offline("ndcg_at_10", Metric(value="ndcg")), offline("revenue", Metric(value="revenue"))
    (True, False)
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower().replace("log_loss", "logloss")))
    return not metric.business or bool(words & set(OFFLINE))
