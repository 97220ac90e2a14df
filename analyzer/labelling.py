"""`[labels]` and `[proxies]` of `rollout.toml`: where the truth arrives, what hints at it first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

LABEL_COLUMNS = ("request_id", "label", "label_ts", "prediction_ts")
"""Names that `[labels.columns]` maps."""

HOUR_OF_DAY = "hour"
"""What `[labels] stratum` may be beside a segment column."""

PROXY_COLUMNS = (*LABEL_COLUMNS[:3], "name")
"""Names that `[proxies.NAME.columns]` maps."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What a proxy may be called: it names a folder of the store, too."""

Share = Annotated[float, Meta(gt=0, le=1)]
Refuse = Callable[[str], None]


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


def check_labels(
    labels: Labels, kind: str, score: str, segments: Sequence[str], refuse: Refuse
) -> None:
    """Say what contradicts itself; `refuse` raises for it. kind: of the labels; score: its type."""
    unknown = sorted(set(labels.columns) - set(LABEL_COLUMNS))
    if unknown:
        refuse(
            f"[labels.columns] {unknown[0]!r} is no column of labels; "
            f"map {', '.join(LABEL_COLUMNS)} to names in the log"
        )
    if kind == "binary" and score != "probability":
        refuse(f'[labels] kind = "binary" needs a probability, and [score] type is "{score}"')
    if kind == "values" and score == "class":
        refuse('[labels] kind = "values" needs a score, and [score] type is "class"')
    positive = labels.positive
    if positive is not None and kind != "binary":
        refuse(f"[labels] positive = {positive!r} means nothing where labels are {kind}")
    if labels.positive_decision is not None and kind != "binary":
        refuse(f"[labels] positive_decision means nothing where labels are {kind}")
    _check_exploration(labels, refuse)
    if len(set(labels.quantiles)) < len(labels.quantiles):
        refuse("[labels] quantiles names one twice")
    stratum = labels.stratum
    if stratum and stratum not in (*segments, HOUR_OF_DAY):
        refuse(
            f"[labels] stratum = {stratum!r} is no segment; it is one of [segments] columns, "
            f'or "{HOUR_OF_DAY}" of the prediction (UTC)'
        )
    if labels.arrival == "positives" and kind != "binary":
        refuse(f'[labels] arrival = "positives" means nothing where labels are {kind}')


def check_proxies(proxies: Mapping[str, Proxy], labels: Labels, refuse: Refuse) -> None:
    """Say what contradicts itself; `refuse` raises for it."""
    if proxies and not labels.paths:
        refuse("[proxies] stand in for labels: describe these under [labels]")
    for name, proxy in proxies.items():
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
        if proxy.open_hours > 24 * (labels.open_days - 2):
            refuse(
                f"[proxies.{name}] open_hours = {proxy.open_hours:g} is no faster than labels, "
                f"which are waited for {labels.open_days} days (open_days)"
            )


def _check_exploration(labels: Labels, refuse: Refuse) -> None:
    chances = [labels.explore_share is not None, bool(labels.explore_probability)]
    if not labels.explore:
        if any(chances):
            refuse("[labels] explore is missing: name the column that marks explored rows")
        return
    if labels.arrival != "selective":
        refuse(f'[labels] explore belongs to arrival = "selective", not "{labels.arrival}"')
    if sum(chances) != 1:
        refuse("[labels] explore needs either explore_share or explore_probability")
