"""Replay the flights' labels night by night: what was said, and what turned out to be true.

    python -m sample_data.replay_labels [--from 2013-05-22 --to 2014-01-01 --out docs]

Scans the sample into a temporary store, joins its labels, then asks on each night what
`analyzer labels --as-of NIGHT --from ... --to NIGHT` answers of the 7 days before it and of the
newest day alone, with completeness by the hour of the prediction (`[labels] stratum`) and without.
The truth is what the labels of the very days that were compared say in the end. Writes
labels-flights.csv (a row a night, window and stratum) and labels-flights.html. The logs themselves
give the simple estimators and the bounds for flights that never get a label.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import polars as pl
from msgspec import structs
from numpy.typing import NDArray

from analyzer import config, policy
from analyzer.config import Features, Rollout, Segments
from analyzer.diagnose.findings import Hours
from analyzer.labels.compare import compare, settled
from analyzer.labels.comparison import Compared, Question, better_model
from analyzer.labels.evidence import Evidence, evidence
from analyzer.labels.known import known
from analyzer.labels.pair_metrics import PROBABILITY
from analyzer.labels.tables import DAY
from analyzer.labels.update import update
from analyzer.report import charts
from analyzer.report.blocks import Figure, Head, Page, Section, Table, Text
from analyzer.report.marks import swatch
from analyzer.report.page import render
from analyzer.report.plots import CHALLENGER, CHAMPION, NARROW, QUIET, WIDE, Line
from analyzer.report.words import number
from analyzer.scan.run import scan
from analyzer.stats.result import Estimate, point
from analyzer.window import date, parse, show

FLIGHTS = Path(__file__).parent / "flights"
FIRST, LAST = "2013-05-22", "2014-01-01"
"""Three weeks of history before the first night; the last flight landed on 1 January."""

CONFIDENCE = 0.95
WINDOWS = (7, 1)
STRATA = ("hour", "")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Night:
    """One night, window and stratum. Differences are challenger minus champion, Brier score.

    compared: days that could be; all else is of these, of all days asked where none could.
    champion .. high: what was said, for these flights once all labels are in; `labels` of `flights`
    had come. truth_*: by all labels that ever came. labelled_only, silent_on_time: simple
    estimators (labels so far alone; a flight without a label was on time). worst_low, worst_high:
    the truth if flights that never get a label had the worst ones; `never` such flights.
    """

    night: str
    days: int
    stratum: str
    compared: int
    flights: int
    labels: int
    never: int
    complete: float
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    better: str
    alarm: str
    truth_champion: float
    truth_challenger: float
    truth: float
    right: str
    labelled_only: float | None
    silent_on_time: float
    worst_low: float
    worst_high: float

    @property
    def held(self) -> bool | None:
        """Whether the interval held the truth."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.truth <= self.high


def joined(folder: Path, last: str = LAST, months: str = "*") -> Rollout:
    """The sample's rollout with its predictions and labels counted in a store of its own.

    months: files that are read, of predictions and labels; `last`: the last night.
    """
    rollout = config.load(FLIGHTS / "rollout.toml")
    logs = {
        name: structs.replace(getattr(rollout, name), paths=[f"{name}/{months}.parquet"])
        for name in (*SIDES, "labels")
    }
    store = structs.replace(rollout.store, path=str(folder))
    bare = structs.replace(rollout, features=Features(), segments=Segments(), store=store, **logs)
    scan(bare, policy.load(), window=(parse("2013-05-01"), parse(last) + DAY))
    update(bare)
    return bare


@dataclass(frozen=True, eq=False)
class Log:
    """The logs themselves, a row a flight: days since 1970, label and its day (-1: never)."""

    day: NDArray[np.int64]
    champion: Floats
    challenger: Floats
    label: NDArray[np.int64]
    label_day: NDArray[np.int64]

    @classmethod
    def read(cls) -> Log:
        """All flights."""
        old, new = (pl.read_parquet(FLIGHTS / side / "*.parquet") for side in SIDES)
        rows = old.join(new, "request_id", suffix="_new")
        rows = rows.join(pl.read_parquet(FLIGHTS / "labels" / "*.parquet"), "request_id", "left")
        days = {
            name: (rows[name].dt.epoch("us") // DAY).fill_null(-1).to_numpy()
            for name in ("ts", "label_ts")
        }
        scores = [rows[name].cast(pl.Float64).to_numpy() for name in ("score", "score_new")]
        label = rows["label"].cast(pl.Int64).fill_null(-1).to_numpy()
        return cls(days["ts"], *scores, label, days["label_ts"])

    def losses(self, label: NDArray[np.int64] | int) -> Floats:
        """Challenger's minus champion's squared error, were these the labels."""
        found: Floats = (self.challenger - label) ** 2 - (self.champion - label) ** 2
        return found


SIDES = ("champion", "challenger")


def night(found: Evidence, then: Evidence, log: Log, days: int, stratum: str) -> Night:
    """What was said on a night of the days before it, by what was known then, and what was true."""
    as_of = then.as_of
    asked = Question("both", as_of - days, as_of, PROBABILITY[:1], CONFIDENCE)
    answer = compare(then if stratum else replace(then, strata={}), asked)
    compared = np.array(answer.days or range(as_of - days, as_of))
    one = answer.metrics[0] if answer.metrics else None
    said = one.final if one else None
    mine = np.isin(log.day, compared)
    ever, here = mine & (log.label >= 0), mine & (log.label >= 0) & (log.label_day < as_of)
    loss = log.losses(log.label)
    ends = np.sort([log.losses(0), log.losses(1)], axis=0)
    never = mine & (log.label < 0)
    worst = [(loss[ever].sum() + end[never].sum()) / mine.sum() for end in ends]
    truths = [float(((s - log.label) ** 2)[ever].mean()) for s in (log.champion, log.challenger)]
    truth = settled(found, asked, compared)
    assert isinstance(truth, Estimate)
    interval = said if isinstance(said, Estimate) else None
    return Night(
        date(as_of),
        days,
        stratum,
        len(answer.days),
        int(mine.sum()),
        int(here.sum()),
        int(never.sum()),
        min(answer.completeness.values(), default=0.0),
        _value(one, "champion"),
        _value(one, "challenger"),
        interval.value if interval else None,
        interval.low if interval else None,
        interval.high if interval else None,
        one.better if one else "undecided",
        "; ".join(answer.alarms),
        *truths,
        truth.value,
        better_model(point(truth.value, truth.n, "settled"), "lower"),
        float(loss[here].mean()) if here.any() else None,
        float(log.losses(np.where(here, log.label, 0))[mine].mean()),
        *map(float, worst),
    )


def _value(one: Compared | None, side: str) -> float | None:
    found = getattr(one, side) if one else None
    return found.value if isinstance(found, Estimate) else None


def replay(rollout: Rollout, first: str, last: str) -> list[Night]:
    """Every night from `first` to `last` (inclusive), each window, with strata and without."""
    found, log = evidence(known(rollout, parse(last) + 2 * DAY)), Log.read()
    found = replace(found, sides=None)  # fine bins are for AUC alone
    nights = range(parse(first) // DAY, parse(last) // DAY + 1)
    told = []
    for as_of in nights:
        then = found.at(as_of)
        told += [night(found, then, log, days, by) for days in WINDOWS for by in STRATA]
    return told


def figures(nights: Sequence[Night], days: int, stratum: str) -> Iterator[tuple[str, str]]:
    """What the text quotes of one window and stratum, by name."""
    mine = [n for n in nights if (n.days, n.stratum) == (days, stratum)]
    said = [n for n in mine if n.difference is not None]
    named = [n for n in said if n.better != "undecided"]
    yield "nights", f"{len(mine)}"
    yield "answered", f"{len(said)}"
    yield "days compared", f"{sum(n.compared for n in mine) / len(mine):.1f}"
    yield "held", f"{sum(bool(n.held) for n in said)}"
    yield "named", f"{len(named)}"
    yield "named wrongly", f"{sum(n.better != n.right for n in named)}"
    yield "challenger truly better", f"{sum(n.right == 'challenger' for n in mine)}"
    yield "nights with an alarm", f"{sum(bool(n.alarm) for n in mine)}"
    yield "labels here", f"{sum(n.labels for n in mine) / sum(n.flights for n in mine):.1%}"
    rivals = {
        "said": [n.difference for n in said],
        "labelled rows only": [n.labelled_only for n in said],
        "no label: on time": [n.silent_on_time for n in said],
    }
    for name, values in rivals.items():
        misses = [v - n.truth for v, n in zip(values, said, strict=True) if v is not None]
        error, bias = np.sqrt(np.mean(np.square(misses or np.nan))), np.mean(misses or np.nan)
        yield f"{name}: error", f"{error:.5f}" if misses else "-"
        yield f"{name}: bias", f"{round(bias, 5) + 0.0:+.5f}" if misses else "-"
        wrong = sum(v * n.truth <= 0 for v, n in zip(values, said, strict=True) if v is not None)
        yield f"{name}: wrong sign", f"{wrong}" if misses else "-"
    yield "bounds that hold 0", f"{sum(n.worst_low <= 0 <= n.worst_high for n in mine)}"
    widths = [n.worst_high - n.worst_low for n in mine]
    yield "width of the bounds, median", f"{np.median(widths):.4f}"
    yield "width of the bounds, largest", f"{max(widths):.4f}"


def worst_days(log: Log, most: int = 10) -> list[tuple[str, int, int]]:
    """Days on which most flights never got a label: day, such flights, flights."""
    days = np.unique(log.day)
    never = np.array([np.count_nonzero((log.day == d) & (log.label < 0)) for d in days])
    order = np.argsort(-never, kind="stable")[:most]
    return [(date(int(days[i])), int(never[i]), int((log.day == days[i]).sum())) for i in order]


def page(nights: Sequence[Night]) -> Page:
    """Charts of every night, drawn by the product's own code."""
    blocks = []
    for days, stratum in ((7, "hour"), (7, ""), (1, "")):
        mine = [n for n in nights if (n.days, n.stratum) == (days, stratum)]
        which = f"the {days} days before each night" if days > 1 else "the newest day alone"
        which += f", completeness by {stratum}" if stratum else ""
        start = show(parse(mine[0].night))
        blocks.append(_differences(f"Challenger minus champion, {which}", mine, start))
        blocks.append(_losses(f"Brier score of each model, {which}", mine, start))
    lead = (
        "What analyzer labels said on each night of 2013 from the labels that had come by then, "
        "and what all labels said in the end. Below zero the challenger is better."
    )
    footer = ["Made by sample_data/replay_labels.py. It loads nothing and sends nothing."]
    return Page(
        title="Flights: labels as they became known",
        eyebrow="flights-delay · replay",
        headline="Estimate against final truth, night by night",
        tone="open",
        lead=lead,
        talkative=True,
        answers=[],
        sections=[Section("nights", "Every night", "", blocks)],
        footer=footer,
    )


def _differences(title: str, mine: Sequence[Night], start: str) -> Figure:
    columns = {
        "in the end": [n.truth for n in mine],
        "said": [n.difference for n in mine],
        "low": [n.low for n in mine],
        "high": [n.high for n in mine],
    }
    lines = [
        Line(columns["in the end"], CHAMPION, thickness=3),
        Line(columns["said"], CHALLENGER),
        *(Line(columns[end], QUIET, dashed=True, thickness=1) for end in ("low", "high")),
    ]
    keys = [
        swatch("line", "in the end"),
        swatch("line accent", "said that night"),
        swatch("dashed", "its 95 % interval"),
    ]
    return _figure(title, mine, start, lines, keys, list(columns), columns)


def _losses(title: str, mine: Sequence[Night], start: str) -> Figure:
    columns = {
        "champion": [n.champion for n in mine],
        "challenger": [n.challenger for n in mine],
        "champion in the end": [n.truth_champion for n in mine],
        "challenger in the end": [n.truth_challenger for n in mine],
    }
    lines = [
        Line(columns["champion"], CHAMPION, thickness=3),
        Line(columns["challenger"], CHALLENGER),
        *(Line(columns[f"{side} in the end"], QUIET, dashed=True, thickness=1) for side in SIDES),
    ]
    keys = [
        swatch("line", "champion, said"),
        swatch("line accent", "challenger, said"),
        swatch("dashed", "each in the end"),
    ]
    return _figure(title, mine, start, lines, keys, list(columns), columns)


def _figure(
    title: str,
    mine: Sequence[Night],
    start: str,
    lines: Sequence[Line],
    keys: Sequence[Text],
    names: Sequence[str],
    columns: dict[str, list[float | None]],
) -> Figure:
    hours = Hours(start=start, step_minutes=24 * 60, columns={})
    wide, narrow = (charts.over_time(hours, lines, width=w, height=210) for w in (WIDE, NARROW))
    rows: list[list[Text]] = [
        [n.night, *(number(columns[name][i]) for name in names)] for i, n in enumerate(mine)
    ]
    heads = [Head("Night"), *(Head(name, "number") for name in names)]
    folded = f"Numbers ({len(rows)} nights)"
    table = Table(title, heads, rows, folded=folded, dense=True)
    return Figure(title, f"{title}; {len(mine)} nights.", wide, narrow, keys, "", table)


def save(nights: Sequence[Night], out: Path) -> None:
    """Write labels-flights.csv and labels-flights.html."""
    names = [f.name for f in fields(Night)]
    with open(out / "labels-flights.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for one in nights:
            values = asdict(one)
            writer.writerow([_short(values[name]) for name in names])
    (out / "labels-flights.html").write_bytes(render(page(nights)))


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def load(path: Path) -> list[Night]:
    """The nights of labels-flights.csv."""
    kinds = {f.name: str(f.type) for f in fields(Night)}
    read = {
        "int": int,
        "float": float,
        "str": str,
        "float | None": lambda text: float(text) if text else None,
    }
    with open(path, encoding="utf-8", newline="") as file:
        return [
            Night(**{k: read[kinds[k]](v) for k, v in row.items()}) for row in csv.DictReader(file)
        ]


def main() -> None:
    """Replay, write, and print what the text quotes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="first", default=FIRST)
    parser.add_argument("--to", dest="last", default=LAST)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="analyzer-") as folder:
        nights = replay(joined(Path(folder), given.last), given.first, given.last)
    given.out.mkdir(parents=True, exist_ok=True)
    save(nights, given.out)
    columns = {(days, by): dict(figures(nights, days, by)) for days in WINDOWS for by in STRATA}
    print("| figure |", " | ".join(f"{days} d, {by or 'no stratum'}" for days, by in columns), "|")
    for name in columns[7, ""]:
        print(f"| {name} |", " | ".join(found[name] for found in columns.values()), "|")
    print("days with most flights that never get a label:", worst_days(Log.read()))


if __name__ == "__main__":
    main()
