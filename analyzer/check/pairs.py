"""Whether the two logs belong together: days, request ids, clocks, roles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl
import pyarrow as pa

from analyzer.check.finding import Finding
from analyzer.check.stream import Logs, ask, ids_of
from analyzer.config import Rollout
from analyzer.logs import SIDES, Side
from analyzer.policy import Policy
from analyzer.window import DAY, HOUR, show

SAMPLED_IDS = 400_000
"""Request ids of the champion that are looked for in the challenger's log."""


OURS = {"champion", "prod", "production", "control", "baseline"}


THEIRS = {"challenger", "shadow", "candidate", "treatment"}


def days(rows: Mapping[Side, Sequence[Mapping[str, int]]]) -> Iterator[Finding]:
    """Days on which only one side logged, between the first and the last day of both."""
    days = {side: {row["day"] for row in rows[side]} for side in SIDES}
    if not all(days.values()):
        return
    both = days["champion"] & days["challenger"]
    if not both:
        yield Finding(
            "stops the job",
            "both",
            "",
            "ts",
            None,
            f"the logs share no day: champion {_span(days['champion'])}, "
            f"challenger {_span(days['challenger'])}",
            "name logs of the same time; is [time] zone right?",
        )
        return
    for side, other in (("champion", "challenger"), ("challenger", "champion")):
        missing = {d for d in days[_side(other)] - days[_side(side)] if min(both) <= d <= max(both)}
        if missing:
            lost = sum(row["rows"] for row in rows[_side(other)] if row["day"] in missing)
            yield Finding(
                "counted",
                side,
                "",
                "ts",
                lost,
                f"no row on {len(missing)} day(s) on which the {other} logged: {_list(missing)}",
                "those days have no pairs; find the files or leave the days out of the window",
            )
        outside = {d for d in days[_side(other)] - days[_side(side)] if d not in missing}
        if outside:
            yield Finding(
                "note",
                side,
                "",
                "ts",
                None,
                f"the {other}'s log has {len(outside)} day(s) before or after this one's: "
                f"{_list(outside)}",
                "choose the window accordingly",
            )


def _side(name: str) -> Side:
    return "champion" if name == "champion" else "challenger"


def _list(days: Iterable[int]) -> str:
    shown = [show(day * DAY)[:10] for day in sorted(days)]
    return ", ".join(shown[:3]) + (f" ... {shown[-1]}" if len(shown) > 3 else "")


def _span(days: Iterable[int]) -> str:
    found = sorted(days)
    return f"{show(found[0] * DAY)[:10]} to {show(found[-1] * DAY)[:10]}"


def swapped_names(rollout: Rollout) -> Iterator[Finding]:
    """Suspicion from names alone: a champion that lies in a folder called shadow."""

    def words(side: Side) -> set[str]:
        log = rollout.log(side)
        said = " ".join([*log.paths, log.where, *log.columns.values()]).lower()
        return {word for word in OURS | THEIRS if word in said}

    ours, theirs = words("champion"), words("challenger")
    odd = (ours & THEIRS and not ours & OURS, theirs & OURS and not theirs & THEIRS)
    if any(odd):
        yield Finding(
            "note",
            "both",
            "",
            "",
            None,
            "by their names champion and challenger may be swapped",
            "compare [champion] and [challenger] in rollout.toml with who serves",
        )


def pairs(logs: Logs, policy: Policy) -> Iterator[Finding]:
    """Requests in both logs, and the time between their rows (`check_pairs.sql`)."""
    schema = pa.schema({"request_id": pa.string(), "ts": pa.int64()})
    share = _sampled_share(logs)

    def batches(side: Side) -> Iterator[pa.RecordBatch]:
        for _, batch in logs.batches(side, ["request_id"]):
            table = pa.record_batch([ids_of(batch), pa.array(batch.ts)], schema=schema)
            yield _sampled(table, share)

    slack = int(logs.rollout.time.pairing_slack_minutes * HOUR // 60)
    sources = {str(side): (schema, batches(side)) for side in SIDES}
    row = ask("check_pairs", sources, {"slack": slack})[0]
    yield from _match_findings(logs, row, policy)
    if row["matched"]:
        yield from _lag_findings(logs, row, policy)


def _sampled_share(logs: Logs) -> int:
    """One id in how many is looked at, so that memory does not grow with the logs."""
    rows = max(sum(file.rows for file in logs.files[side]) for side in SIDES)
    return max(1, rows // SAMPLED_IDS)


def _sampled(table: pa.RecordBatch, share: int) -> pa.RecordBatch:
    if share == 1:
        return table

    series = pl.from_arrow(table["request_id"])
    assert isinstance(series, pl.Series)
    return table.filter((series.hash(seed=3) % share == 0).to_arrow())


def _match_findings(logs: Logs, row: Mapping[str, int], policy: Policy) -> Iterator[Finding]:
    ours, theirs, matched = row["champion_ids"], row["challenger_ids"], row["matched"]
    if not matched:
        yield Finding(
            "stops the job",
            "both",
            "",
            "request_id",
            None,
            "no request id occurs in both logs",
            "map the column that both models log for the same request to request_id",
        )
        return
    expected = policy.shadow.min_coverage * logs.rollout.shadow.mirror_share
    if matched < expected * ours:
        yield Finding(
            "counted",
            "challenger",
            "",
            "request_id",
            ours - matched,
            f"{matched / ours:.1%} of the champion's requests are in the challenger's log "
            f"(of {ours:,} looked up); {expected:.1%} are expected",
            "find the lost traffic, or say [shadow] mirror_share if only a part is mirrored",
        )
    if theirs - matched > 0.01 * theirs and ours - matched <= 0.001 * ours:
        yield Finding(
            "note",
            "both",
            "",
            "request_id",
            theirs - matched,
            "the challenger has requests that the champion lacks, and lacks none of the champion's",
            "a shadow sees no more than the champion serves: are the two swapped?",
        )


def _lag_findings(logs: Logs, row: Mapping[str, int], policy: Policy) -> Iterator[Finding]:
    seconds = row["median_lag"] / 1e6
    halves = round(seconds / 1800)
    if halves and abs(seconds - halves * 1800) < 60:
        yield Finding(
            "counted",
            "both",
            "",
            "ts",
            row["beyond_slack"],
            f"the challenger's clock is {halves / 2:+g} h away from the champion's",
            "one log is in another time zone: log UTC, or declare [time] zone",
        )
    elif abs(seconds) > policy.data.max_clock_skew_seconds or row["beyond_slack"]:
        yield Finding(
            "counted",
            "both",
            "",
            "ts",
            row["beyond_slack"],
            f"the challenger's rows lie {seconds:+,.1f} s (median) from the champion's; counted "
            "are requests that lie too far apart to be paired",
            "set the clocks, or raise [time] pairing_slack_minutes",
        )
    elif seconds < 0:
        yield Finding(
            "note",
            "both",
            "",
            "ts",
            None,
            f"the challenger logs {-seconds:,.3f} s (median) before the champion",
            "a shadow usually logs after it: are the two swapped?",
        )
