"""What is missing comes first: unmatched rows by hour and segment, and features that disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.diagnose.findings import Coverage, Hours, Parity, Rejected, Rows, Unmatched
from analyzer.measure import Ints, by_hour, rate_of
from analyzer.profiles import Profiles
from analyzer.verdict import observed
from analyzer.window import show

COLUMNS = {
    "champion": "champion_rows",
    "challenger": "challenger_rows",
    "pairs": "matched",
    "only_champion": "only_champion",
    "only_challenger": "only_challenger",
}
MOST_SEGMENTS = 20
LOST_SHARE = 0.01
"""Share of unmatched requests from which they are said to matter, beyond the baseline's."""
DIFFERING_SHARE = 0.001

Totals = dict[tuple[str, str | None], tuple[int, int]]
"""(column, value): champion requests and those unmatched."""


def coverage_of(
    incident: Profiles, baseline: Profiles | None, missing: Sequence[str] = ()
) -> Coverage:
    """Coverage of the incident's window beside that of its baseline. missing: what is to be said
    of features' values that are not there.
    """
    rows = _rows(incident)
    before = _rows(baseline) if baseline is not None else None
    sums = by_hour(incident, incident.table("coverage"), list(COLUMNS.values()))
    hours = Hours(
        start=show(incident.window.start),
        step_minutes=60,
        columns={k: [float(x) for x in sums[v].tolist()] for k, v in COLUMNS.items()},
    )
    segments = _segments(incident, baseline)
    parity = _parity(incident, baseline)
    return Coverage(
        incident=rows,
        baseline=before,
        hours=hours,
        segments=segments[:MOST_SEGMENTS],
        parity_known=bool(parity),
        parity=parity,
        rejected=_rejected(incident),
        lines=[*_lines(rows, before, segments), *missing, *_parity_lines(parity)],
    )


def _rows(profiles: Profiles) -> Rows:
    table = profiles.table("coverage")
    names = [n for n in table.schema.names if n != "hour"]
    sums = by_hour(profiles, table, names)
    total = {name: sums.total(name) for name in names}
    alone = rate_of(sums.blocks("only_champion"), sums.blocks("champion_rows"), always_valid=False)
    return Rows(
        champion=total["champion_rows"],
        challenger=total["challenger_rows"],
        pairs=total["matched"],
        only_champion=total["only_champion"],
        only_challenger=total["only_challenger"],
        duplicates=total["champion_duplicates"] + total["challenger_duplicates"],
        hours_without_champion=_idle(sums["champion_rows"]),
        hours_without_challenger=_idle(sums["challenger_rows"]),
        unmatched=observed(alone.result),
    )


def _idle(rows: Ints) -> int:
    return int(np.count_nonzero(rows == 0))


def _segments(incident: Profiles, baseline: Profiles | None) -> list[Unmatched]:
    """Segment values by how many more of their requests are unmatched than in the baseline."""
    now = _unmatched(incident)
    before = _unmatched(baseline) if baseline is not None else {}
    found = []
    for (column, value), (n, alone) in now.items():
        old = before.get((column, value))
        share = alone / n
        known = old[1] / old[0] if old and old[0] else None
        if alone:
            found.append(
                Unmatched(
                    column=column,
                    value=value,
                    n=n,
                    unmatched=alone,
                    share=share,
                    share_before=known,
                )
            )
    return sorted(
        found,
        key=lambda u: (-(u.share - (u.share_before or 0.0)) * u.n, u.column, u.value or ""),
    )


def _unmatched(profiles: Profiles) -> Totals:
    cells = profiles.table("cells")
    kept = pc.and_(pc.is_valid(cells["a"]), pc.is_null(cells["b"]))
    rows = cells.filter(pc.and_(kept, pc.equal(cells["model"], "champion")))
    sums = rows.group_by(["a", "a_value"]).aggregate([("n", "sum"), ("unmatched", "sum")])
    return {(r["a"], r["a_value"]): (r["n_sum"], r["unmatched_sum"] or 0) for r in sums.to_pylist()}


def _parity(incident: Profiles, baseline: Profiles | None) -> list[Parity]:
    now = _compared(incident)
    before = _compared(baseline) if baseline is not None else {}
    found = []
    for feature, row in now.items():
        old = before.get(feature)
        found.append(
            Parity(
                feature=feature,
                compared=row["compared"],
                differing=row["differing"],
                share=row["differing"] / row["compared"],
                share_before=old["differing"] / old["compared"] if old else None,
                null_on_champion=row["null_on_champion"],
                null_on_challenger=row["null_on_challenger"],
            )
        )
    return sorted(found, key=lambda p: (-p.share, p.feature))


def _compared(profiles: Profiles) -> Mapping[str, dict[str, int]]:
    table = profiles.table("parity")
    names = [n for n in table.schema.names if n not in ("hour", "feature")]
    sums = table.group_by("feature").aggregate([(n, "sum") for n in names]).to_pylist()
    return {
        r["feature"]: {n: r[f"{n}_sum"] for n in names}
        for r in sorted(sums, key=lambda r: str(r["feature"]))
        if r["compared_sum"]
    }


def _rejected(profiles: Profiles) -> list[Rejected]:
    table: pa.Table = profiles.table("rejects")
    sums = table.group_by(["model", "reason"]).aggregate([("n", "sum")]).to_pylist()
    found = [Rejected(model=r["model"], reason=r["reason"], n=r["n_sum"]) for r in sums]
    return sorted(found, key=lambda r: (r.model, r.reason))


def _lines(rows: Rows, before: Rows | None, segments: list[Unmatched]) -> list[str]:
    lines = []
    share = rows.only_champion / rows.champion if rows.champion else 0.0
    usual = before.only_champion / before.champion if before and before.champion else 0.0
    if share - usual > LOST_SHARE:
        text = (
            f"The challenger never answered {rows.only_champion:,} of {rows.champion:,} requests "
            f"({share:.1%}; {usual:.1%} in the baseline): what follows is about the rest"
        )
        worst = next((s for s in segments if s.share - (s.share_before or 0.0) > LOST_SHARE), None)
        if worst is not None and worst.share > 1.5 * share:
            text += f"; {_named(worst)} lost most ({worst.share:.1%})"
        lines.append(text + ".")
    if rows.hours_without_challenger > rows.hours_without_champion:
        lines.append(
            f"{rows.hours_without_challenger} h of the incident hold no row of the challenger."
        )
    usually_idle = before.hours_without_champion if before else 0
    if rows.hours_without_champion > usually_idle:
        lines.append(
            f"No row of the champion in {rows.hours_without_champion} h, in which the challenger "
            "answered alone or nobody did: what follows is about the rest."
        )
    return lines


def _parity_lines(parity: list[Parity]) -> list[str]:
    lines = []
    apart = [p for p in parity if p.share - (p.share_before or 0.0) > DIFFERING_SHARE]
    if apart:
        names = ", ".join(f"{p.feature} ({p.share:.1%})" for p in apart[:5])
        more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
        lines.append(
            "The two models did not see the same values for the same requests more often than "
            f"before: {names}{more}. Inputs that differ between pipelines are not data drift."
        )
    if not parity:
        lines.append(
            "Only one model logs features, so it cannot be said whether both saw the same values."
        )
    return lines


def _named(found: Unmatched) -> str:
    return f"{found.column} is NULL" if found.value is None else f"{found.column} = {found.value}"
