"""Planted incidents: what can be planted, when it holds, and whom it hits."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .vocabulary import SEGMENTS

US_PER_HOUR = 3_600_000_000

# Every parameter of every plant with its default; the default's type is the parameter's type.
KINDS: dict[str, dict[str, Any]] = {
    "segment": {"effect": 1.0},
    "drift": {"feature": "f00", "shift": 0.5, "ramp": 0.0},
    "score_drift": {"effect": 0.5},
    "latency": {"factor": 1.5, "side": "challenger"},
    "slow": {"p99": 250.0, "side": "challenger"},
    "errors": {"rate": 0.002, "side": "challenger"},
    "lost": {"share": 0.1},
    "duplicates": {"share": 0.001, "side": "both"},
    "nulls": {"feature": "f00", "share": 0.2},
    "unseen": {"column": "c0", "value": "never_seen", "share": 0.05},
    "missing_day": {"day": 1, "side": "challenger"},
    "parity": {"feature": "f00", "share": 0.05},
}
SIDES = ("champion", "challenger", "both")


@dataclass(frozen=True)
class Plant:
    """One planted incident: its kind, `[start, end)` in hours, a segment predicate, parameters."""

    kind: str
    start: float = 0.0
    end: float | None = None
    where: tuple[tuple[str, str], ...] = ()
    params: dict[str, Any] = field(default_factory=dict)

    def check(self, features: int, days: int) -> None:
        """Refuse a plant that could not be seen in the logs."""
        names = {f"f{k:02d}" for k in range(features)}
        if self.params.get("feature", "f00") not in names and "feature" in self.params:
            raise ValueError(f"{self.kind}: there is no feature {self.params['feature']!r}")
        if self.params.get("column", "c0") not in ("c0", "c1", "c2"):
            raise ValueError(f"{self.kind}: column must be c0, c1 or c2")
        if self.params.get("side", "both") not in SIDES:
            raise ValueError(f"{self.kind}: side must be one of {', '.join(SIDES)}")
        if not 0 <= self.params.get("day", 0) < days:
            raise ValueError(f"{self.kind}: day must be between 0 and {days - 1}")
        if not 0 <= self.start < 24 * days or (self.end is not None and self.end <= self.start):
            raise ValueError(f"{self.kind}: from and to must lie in order inside the {days} days")
        for share in ("share", "rate"):
            if not 0 <= self.params.get(share, 0) <= 1:
                raise ValueError(f"{self.kind}: {share} must be between 0 and 1")

    def hits(self, side: str) -> bool:
        """Tell whether the plant touches one side's log."""
        return self.params.get("side", side) in (side, "both")

    def window_us(self, start_us: int, days: int) -> tuple[int, int]:
        """Return `[start, end)` in microseconds since 1970."""
        end = 24.0 * days if self.end is None else min(self.end, 24.0 * days)
        return start_us + round(self.start * US_PER_HOUR), start_us + round(end * US_PER_HOUR)

    def as_truth(self, start_us: int, days: int) -> dict[str, Any]:
        """Return the plant as plain JSON values."""
        first, last = (_iso(us) for us in self.window_us(start_us, days))
        return {
            "kind": self.kind,
            "from": first,
            "to": last,
            "where": dict(self.where),
            "params": self.params,
        }


def parse_plant(text: str) -> Plant:
    """Read `KIND` or `KIND:key=value,...`.

    `from` and `to` are hours since the first midnight; a segment column is part of the
    predicate; everything else is a parameter of the kind.

    >>> parse_plant("segment:country=DE,device=ios,effect=0.8,from=48").where
    (('country', 'DE'), ('device', 'ios'))
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise ValueError(f"unknown plant {kind!r}; known: {', '.join(KINDS)}")
    given = dict(_pair(kind, item) for item in rest.split(",") if item)
    start, end = float(given.pop("from", "0")), given.pop("to", None)
    where = tuple((name, _known_value(name, given.pop(name))) for name in SEGMENTS if name in given)
    unknown = sorted(set(given) - set(KINDS[kind]))
    if unknown:
        known = ", ".join(KINDS[kind])
        raise ValueError(f"{kind}: unknown parameter {unknown[0]!r}; known: {known}")
    params = {key: type(default)(given.get(key, default)) for key, default in KINDS[kind].items()}
    return Plant(kind, start, None if end is None else float(end), where, params)


def _pair(kind: str, item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"{kind}: expected key=value, found {item!r}")
    return key, value


def _known_value(column: str, value: str) -> str:
    if value not in SEGMENTS[column].values:
        known = ", ".join(SEGMENTS[column].values)
        raise ValueError(f"{column} has no value {value!r}; known: {known}")
    return value


def _iso(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()
