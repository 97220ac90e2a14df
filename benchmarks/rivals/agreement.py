"""Do the DuckDB script and the scan count the same? Tables of equal definition, row by row."""

from pathlib import Path

import duckdb

from benchmarks.logs import FEATURES, SEGMENTS

HOUR = "epoch_us(hour) // 3600000000"
MINUTE = "epoch_us(minute) // 60000000"
COVERAGE = "champion_rows, challenger_rows, matched, only_champion, only_challenger, lag_us"
COUNTS = "n, errors, nulls, latency_n, over_50ms, over_200ms, unmatched"
PAIR_COUNTS = "n, nulls, decided, flips"
NULL_CELL = 66

CHECKS: dict[str, tuple[str, str]] = {
    "coverage": (
        f"SELECT {HOUR}, {COVERAGE} FROM ours_coverage",
        f"SELECT hour, {COVERAGE} FROM theirs_coverage",
    ),
    "minutes": (
        f"SELECT {MINUTE}, model, {COUNTS} FROM ours_minutes WHERE model <> 'pair'",
        f"SELECT minute, model, {COUNTS} FROM theirs_minutes",
    ),
    "minutes of pairs": (
        f"SELECT {MINUTE}, {PAIR_COUNTS} FROM ours_minutes WHERE model = 'pair'",
        f"SELECT minute, {PAIR_COUNTS} FROM theirs_pair_minutes",
    ),
    "minute_latency": (
        f"SELECT {MINUTE}, model, code, n FROM ours_minute_latency",
        "SELECT minute, model, code, n FROM theirs_minute_latency",
    ),
    "fine_hours": (
        f'SELECT {HOUR}, model, "column", code, n FROM ours_fine_hours',
        "SELECT hour, model, name, code, n FROM theirs_fine_hours",
    ),
    "histograms": (
        f'SELECT {HOUR}, "column", cell, n FROM ours_histograms '
        f'WHERE "column" IN ({", ".join(repr(f) for f in FEATURES)})',
        f"SELECT hour, name, coalesce(cell, {NULL_CELL}), n FROM theirs_histograms",
    ),
    "fine": (
        'SELECT "column", code, n FROM ours_fine',
        "SELECT name, code, n FROM theirs_fine_slots",
    ),
    "values": (
        f'SELECT {HOUR}, "column", value, n FROM ours_values',
        'SELECT hour, name, value, n FROM "theirs_values"',
    ),
    "differences": (
        f"SELECT {HOUR}, code, n FROM ours_differences",
        "SELECT hour, code, n FROM theirs_differences",
    ),
    "worst": (
        "SELECT epoch_us(ts), request_id, champion_score FROM ours_worst",
        "SELECT us, request_id, score FROM theirs_worst",
    ),
}


def _margin_of_ours() -> str:
    a, b = "a || '=' || a_value", "b || '=' || b_value"
    return f"concat_ws('|', least({a}, {b}), CASE WHEN b IS NOT NULL THEN greatest({a}, {b}) END)"


def _margin_of_theirs() -> str:
    parts = [f"CASE WHEN {c} IS NOT NULL THEN '{c}=' || {c} END" for c in sorted(SEGMENTS)]
    return f"concat_ws('|', {', '.join(parts)})"


CELLS = {
    "cells": (
        f"SELECT {HOUR}, model, {_margin_of_ours()}, {COUNTS} "
        "FROM ours_cells WHERE model <> 'pair'",
        f"SELECT hour, model, {_margin_of_theirs()}, {COUNTS} FROM theirs_cells",
    ),
    "cells of pairs": (
        f"SELECT {HOUR}, {_margin_of_ours()}, {PAIR_COUNTS} FROM ours_cells WHERE model = 'pair'",
        f"SELECT hour, {_margin_of_theirs()}, {PAIR_COUNTS} FROM theirs_pair_cells",
    ),
}


def compare(store: Path, script: Path) -> list[dict[str, object]]:
    """Per table: rows of ours, rows of the script's, rows that only one of them has."""
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for prefix, folder, pattern in (
            ("ours", store / "data", "*/{}"),
            ("theirs", script, "*-{}"),
        ):
            for table in sorted({_table(path) for path in folder.rglob("*.parquet")}):
                files = folder / pattern.format(f"{table}.parquet")
                connection.execute(
                    f"CREATE VIEW {prefix}_{table} AS SELECT * FROM read_parquet('{files}')"
                )
        for name, (ours, theirs) in {**CHECKS, **CELLS}.items():
            n_ours, n_theirs, apart = connection.execute(
                f"SELECT (SELECT count(*) FROM ({ours})), (SELECT count(*) FROM ({theirs})), "
                f"(SELECT count(*) FROM (({ours}) EXCEPT ALL ({theirs}))) + "
                f"(SELECT count(*) FROM (({theirs}) EXCEPT ALL ({ours})))"
            ).fetchone()
            verdict = "equal" if not apart else "NOT EQUAL"
            row = {"table": name, "rows": n_ours, "script's rows": n_theirs, "only in one": apart}
            found.append({**row, "verdict": verdict})
    return found


def _table(path: Path) -> str:
    return path.stem.rpartition("-")[2]
