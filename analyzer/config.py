"""`rollout.toml`: which models, which logs, which columns. Read, checked, frozen."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta, Struct

from analyzer import registering, routing
from analyzer.design import Experiment, check_design
from analyzer.errors import ConfigError
from analyzer.labelling import Labels, Proxy, check_labels, check_proxies
from analyzer.registering import RegistryAt
from analyzer.routing import RouterAt

CANONICAL = (
    "request_id",
    "ts",
    "score",
    "prediction",
    "latency_ms",
    "error",
    "unit_id",
    "decision",
    "feature_ts",
    "version",
)
"""Names the product gives to a log's columns; `[champion.columns]` maps other names to them."""

Share = Annotated[float, Meta(gt=0, le=1)]


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model and where it logs: paths or globs, an optional SQL filter, a column mapping."""

    paths: list[str]
    name: str = ""
    where: str = ""
    columns: dict[str, str] = {}

    def source(self, canonical: str) -> str:
        """Name in the log of the column that the product calls `canonical`."""
        return self.columns.get(canonical, canonical)


class Score(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a prediction is. `threshold` turns a probability into a decision."""

    type: Literal["probability", "regression", "class"] = "probability"
    threshold: float | None = None
    harm: Literal["up", "down", "both"] = "both"


class Segments(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Columns that describe who was served: country, device, plan."""

    columns: list[str] = []


class Features(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the models see. A critical feature must be available for a gate to pass."""

    numeric: list[str] = []
    categorical: list[str] = []
    critical: list[str] = []


class Time(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Clocks. `zone` is that of naive timestamps in the logs; `calendar` where people live."""

    zone: str | None = None
    calendar: str = "UTC"
    slot_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    settle_hours: Annotated[float, Meta(ge=0, le=168)] = 3.0
    pairing_slack_minutes: Annotated[float, Meta(ge=0, le=720)] = 10.0


class Shadow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What part of the traffic the challenger is shown."""

    mirror_share: Share = 1.0


class StoreAt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where profiles and the diary are kept. `redact_ids` keeps request ids out of profiles."""

    path: str = ".analyzer"
    events: str = "events.jsonl"
    redact_ids: bool = False


class PolicyAt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The team's own thresholds; empty: the shipped ones."""

    path: str = ""


class Rollout(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole `rollout.toml`. `root` is the folder it lies in; relative paths start there."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    champion: Log
    challenger: Log
    score: Score = Score()
    segments: Segments = Segments()
    features: Features = Features()
    time: Time = Time()
    shadow: Shadow = Shadow()
    store: StoreAt = StoreAt()
    policy: PolicyAt = PolicyAt()
    labels: Labels = Labels()
    proxies: dict[str, Proxy] = {}
    experiment: Experiment | None = None
    router: RouterAt | None = None
    registry: RegistryAt | None = None
    root: str = "."

    def log(self, side: str) -> Log:
        """The log of `champion` or `challenger`, or that of `labels`, whose `ts` is `label_ts`."""
        if side == "labels":
            ts = {"ts": self.labels.columns.get("label_ts", "label_ts")}
            given = self.labels
            return Log(paths=given.paths, columns={**given.columns, **ts}, where=given.where)
        if side in ("outcomes", "exposures") and self.experiment is not None:
            return Log(paths=getattr(self.experiment, side), columns=self.experiment.columns)
        return self.champion if side == "champion" else self.challenger

    def unit_columns(self, side: str) -> list[str]:
        """Columns that `outcomes` or `exposures` must have. What is known of a unit beforehand
        (covariates, segments) comes with its exposure where that is logged.
        """
        if self.experiment is None:
            return []
        known = [*self.experiment.covariates, *self.experiment.words]
        beforehand = side == "exposures" or not self.experiment.exposures
        values = self.experiment.values if side == "outcomes" else []
        return ["unit_id", "ts", "variant", *values, *(known if beforehand else [])]

    @property
    def unit_numbers(self) -> list[str]:
        """Columns of outcomes and exposures that hold numbers."""
        return [*self.experiment.values, *self.experiment.covariates] if self.experiment else []

    @property
    def label_kind(self) -> Literal["binary", "classes", "values"]:
        """What a label is: as declared, else what fits the score."""
        usual: dict[str, Literal["binary", "classes", "values"]] = {
            "probability": "binary",
            "class": "classes",
            "regression": "values",
        }
        return self.labels.kind or usual[self.score.type]

    def model(self, side: str) -> str:
        """Display name of a side's model."""
        return self.log(side).name or side

    @property
    def threshold(self) -> float | None:
        """Decision threshold on the score, None where a decision is not a cut of the score."""
        if self.score.type == "probability":
            return 0.5 if self.score.threshold is None else self.score.threshold
        return self.score.threshold

    @property
    def store_path(self) -> Path:
        """Folder of the profile store."""
        return Path(self.root) / self.store.path

    @property
    def digest(self) -> str:
        """Digest of all that the content of a profile depends on."""
        parts = (self.champion, self.challenger, self.score, self.segments, self.features)
        clocks = (self.time.zone, self.time.slot_hours, self.time.pairing_slack_minutes)
        encoded = msgspec.json.encode((parts, clocks, self.store.redact_ids), order="sorted")
        return hashlib.sha256(encoded).hexdigest()[:16]


def load(path: str | Path) -> Rollout:
    """Read and check a `rollout.toml`.

    Raises ConfigError naming the key for: a missing file, bad TOML, unknown or missing keys,
    wrong types, unknown time zones, columns named twice, critical features not listed.
    """
    file = Path(path)
    raw = read_toml(file)
    if "root" in raw:
        raise ConfigError(f"{file}: unknown key `root`; relative paths start at the file's folder")
    try:
        rollout = msgspec.convert({**raw, "root": str(file.parent)}, Rollout)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {error}") from None
    _check(rollout, file)
    return rollout


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises ConfigError where it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file; write one with `analyzer init LOGS...`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None


def _check(rollout: Rollout, file: Path) -> None:
    def refuse(message: str) -> None:
        raise ConfigError(f"{file}: {message}")

    for key, zone in (("zone", rollout.time.zone), ("calendar", rollout.time.calendar)):
        if zone not in (None, "UTC") and zone not in available_timezones():
            refuse(f"[time] {key} = {zone!r} is no IANA time zone; write one like 'Europe/Paris'")
    features = [*rollout.features.numeric, *rollout.features.categorical]
    for what, names in (("[features]", features), ("[segments]", rollout.segments.columns)):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            refuse(f"{what} names {twice[0]!r} twice")
    taken = sorted(set(features) & set(CANONICAL))
    if taken:
        refuse(f"[features] {taken[0]!r} is a name the product uses; map it under another name")
    stray = sorted(set(rollout.features.critical) - set(features))
    if stray:
        refuse(f"[features] critical names {stray[0]!r}, which is not in numeric or categorical")
    known = {*CANONICAL, *features, *rollout.segments.columns}
    for side in ("champion", "challenger"):
        log = rollout.log(side)
        if not log.paths:
            refuse(f"[{side}] paths is empty; name at least one Parquet file or glob")
        unknown = sorted(set(log.columns) - known)
        if unknown:
            refuse(
                f"[{side}.columns] {unknown[0]!r} is no column the product knows; "
                "map canonical names, features or segments to names in the log"
            )
    same = (rollout.champion.paths, rollout.champion.where, rollout.champion.columns) == (
        rollout.challenger.paths,
        rollout.challenger.where,
        rollout.challenger.columns,
    )
    if same:
        refuse(
            "[champion] and [challenger] describe the same rows and columns; "
            "give each its own paths, `where` or [columns]"
        )
    segments = rollout.segments.columns
    check_labels(rollout.labels, rollout.label_kind, rollout.score.type, segments, refuse)
    if rollout.router is not None:
        refusal = routing.refusal(rollout.router)
        if refusal:
            refuse(f"[router] {refusal}")
    if rollout.registry is not None and (refusal := registering.refusal(rollout.registry)):
        refuse(f"[registry] {refusal}")
    check_proxies(rollout.proxies, rollout.labels, refuse)
    if rollout.experiment is not None:
        check_design(rollout.experiment, refuse)
    threshold = rollout.score.threshold
    if threshold is not None and not (-1e300 < threshold < 1e300):
        refuse("[score] threshold must be a finite number")


def calendar(rollout: Rollout) -> ZoneInfo:
    """The time zone in which hours of the week are counted."""
    return ZoneInfo(rollout.time.calendar)
