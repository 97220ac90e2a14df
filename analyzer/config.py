"""`rollout.toml`: which models, which logs, which columns. Read, checked, frozen."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta, Struct

from analyzer import registering, routing
from analyzer.design import Experiment, check_design
from analyzer.errors import ConfigError
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

LABEL_COLUMNS = ("request_id", "label", "label_ts", "prediction_ts")
"""Names that `[labels.columns]` maps."""

HOUR_OF_DAY = "hour"
"""What `[labels] stratum` may be beside a segment column."""

PROXY_COLUMNS = (*LABEL_COLUMNS[:3], "name")
"""Names that `[proxies.NAME.columns]` maps."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What a proxy may be called: it names a folder of the store, too."""

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


class Labels(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the truth arrives, and how.

    kind: two classes, several, or values; by default what fits the score. positive: the label
    that means yes, where it is not 1 or true. arrival: both classes come late; only positives
    come (no news means not yet); only where the champion's action let them (selective); or a
    sample by design. open_days: labels of older predictions are not waited for any more. where:
    optional SQL that says which rows of the log are labels. stratum: a segment column, or `hour`
    (of the prediction, UTC), in whose values labels arrive at different speeds; it makes the tables
    of labelled pairs larger (of a large log by `hour` about five times). quantiles: of
    which orders quantile losses are told, where labels are values.
    positive_decision: the logged decision that calls a request positive, where it is not 1 or
    true. explore: column of the champion's log that marks rows let through at random although
    the model would have stopped them, with the chance explore_share, or that of the row in the
    column explore_probability.
    """

    paths: list[str] = []
    columns: dict[str, str] = {}
    where: str = ""
    kind: Literal["binary", "classes", "values"] | None = None
    arrival: Literal["both", "positives", "selective", "sampled"] = "both"
    open_days: Annotated[int, Meta(ge=1, le=1000)] = 30
    positive: str | int | float | None = None
    positive_decision: str | int | float | None = None
    explore: str = ""
    explore_share: Share | None = None
    explore_probability: str = ""
    stratum: str = ""
    quantiles: tuple[Annotated[float, Meta(gt=0, lt=1)], ...] = (0.1, 0.5, 0.9)


class Proxy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fast signal that stands in for a late label: a log like that of labels, yes or no.

    name: rows of the log whose column `name` says this; empty: all rows. positive: what means yes,
    where it is not 1 or true. open_hours: without a signal by then, there is none.
    """

    paths: list[str]
    columns: dict[str, str] = {}
    name: str = ""
    positive: str | int | float | None = None
    open_hours: Annotated[float, Meta(gt=0, le=8760)] = 72.0

    @property
    def as_labels(self) -> Labels:
        """The same log as if its signals were labels: it is read and joined by the same rules."""
        columns = {c: n for c, n in self.columns.items() if c != "name"}
        column, value = self.columns.get("name", "name"), self.name
        quoted = [column.replace('"', '""'), value.replace("'", "''")]
        where = "\"{}\" = '{}'".format(*quoted) if value else ""
        return Labels(
            paths=self.paths, columns=columns, where=where, kind="binary", positive=self.positive
        )


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

    zones = available_timezones()
    for key, zone in (("zone", rollout.time.zone), ("calendar", rollout.time.calendar)):
        if zone is not None and zone not in zones:
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
    _check_labels(rollout, refuse)
    if rollout.router is not None:
        refusal = routing.refusal(rollout.router)
        if refusal:
            refuse(f"[router] {refusal}")
    if rollout.registry is not None and (refusal := registering.refusal(rollout.registry)):
        refuse(f"[registry] {refusal}")
    _check_proxies(rollout, refuse)
    if rollout.experiment is not None:
        check_design(rollout.experiment, refuse)
    threshold = rollout.score.threshold
    if threshold is not None and not (-1e300 < threshold < 1e300):
        refuse("[score] threshold must be a finite number")


def _check_labels(rollout: Rollout, refuse: Callable[[str], None]) -> None:
    unknown = sorted(set(rollout.labels.columns) - set(LABEL_COLUMNS))
    if unknown:
        refuse(
            f"[labels.columns] {unknown[0]!r} is no column of labels; "
            f"map {', '.join(LABEL_COLUMNS)} to names in the log"
        )
    kind, score = rollout.label_kind, rollout.score.type
    if kind == "binary" and score != "probability":
        refuse(f'[labels] kind = "binary" needs a probability, and [score] type is "{score}"')
    if kind == "values" and score == "class":
        refuse('[labels] kind = "values" needs a score, and [score] type is "class"')
    positive = rollout.labels.positive
    if positive is not None and kind != "binary":
        refuse(f"[labels] positive = {positive!r} means nothing where labels are {kind}")
    if rollout.labels.positive_decision is not None and kind != "binary":
        refuse(f"[labels] positive_decision means nothing where labels are {kind}")
    _check_exploration(rollout.labels, refuse)
    if len(set(rollout.labels.quantiles)) < len(rollout.labels.quantiles):
        refuse("[labels] quantiles names one twice")
    stratum, segments = rollout.labels.stratum, rollout.segments.columns
    if stratum and stratum not in (*segments, HOUR_OF_DAY):
        refuse(
            f"[labels] stratum = {stratum!r} is no segment; it is one of [segments] columns, "
            f'or "{HOUR_OF_DAY}" of the prediction (UTC)'
        )
    if rollout.labels.arrival == "positives" and kind != "binary":
        refuse(f'[labels] arrival = "positives" means nothing where labels are {kind}')


def _check_proxies(rollout: Rollout, refuse: Callable[[str], None]) -> None:
    if rollout.proxies and not rollout.labels.paths:
        refuse("[proxies] stand in for labels: describe these under [labels]")
    for name, proxy in rollout.proxies.items():
        if not _PLAIN_NAME.fullmatch(name):
            refuse(f"[proxies.{name!r}]: a proxy's name is letters, digits, - and _, at most 40")
        if not proxy.paths:
            refuse(f"[proxies.{name}] paths is empty; name the files that its signals arrive in")
        unknown = sorted(set(proxy.columns) - set(PROXY_COLUMNS))
        if unknown:
            refuse(
                f"[proxies.{name}.columns] {unknown[0]!r} is no column of proxies; "
                f"map {', '.join(PROXY_COLUMNS)} to names in the log"
            )
        if proxy.open_hours > 24 * (rollout.labels.open_days - 2):
            refuse(
                f"[proxies.{name}] open_hours = {proxy.open_hours:g} is no faster than labels, "
                f"which are waited for {rollout.labels.open_days} days (open_days)"
            )


def _check_exploration(labels: Labels, refuse: Callable[[str], None]) -> None:
    chances = [labels.explore_share is not None, bool(labels.explore_probability)]
    if not labels.explore:
        if any(chances):
            refuse("[labels] explore is missing: name the column that marks explored rows")
        return
    if labels.arrival != "selective":
        refuse(f'[labels] explore belongs to arrival = "selective", not "{labels.arrival}"')
    if sum(chances) != 1:
        refuse("[labels] explore needs either explore_share or explore_probability")


def calendar(rollout: Rollout) -> ZoneInfo:
    """The time zone in which hours of the week are counted."""
    return ZoneInfo(rollout.time.calendar)
