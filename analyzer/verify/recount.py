"""Counts of raw rows over a window, by SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer import engine, sql
from analyzer.config import Rollout
from analyzer.frozen import Frozen
from analyzer.logs import SIDES, LogFile, Side, has_column
from analyzer.scan.agreement import LARGEST, PARITY_TOLERANCE
from analyzer.scan.narrow import SCORE_REACH
from analyzer.serving import LARGEST_LATENCY
from analyzer.verify.canonical import NO_ROWS, File
from analyzer.window import HOUR, MINUTE, Window


class Recount:
    """Counts over a window, each statement run once and kept."""

    def __init__(
        self,
        rollout: Rollout,
        frozen: Frozen,
        files: Mapping[Side, Sequence[LogFile]],
        window: Window,
        limit_ms: float,
    ) -> None:
        self.rollout = rollout
        self.limit_ms = limit_ms
        self.frozen = frozen
        self.window = window
        self.surveyed = files
        self.files = {side: [f for f in files[side] if not f.problem] for side in SIDES}
        reach = frozen.scale * SCORE_REACH
        probability = rollout.score.type == "probability"
        self.ends = {
            "least": 0.0 if probability else -reach,
            "most": 1.0 if probability else reach,
        }
        self._pairs: dict[str, int] = {}
        self._rows: dict[Side, dict[str, int]] = {}

    def counts(self, check: str) -> dict[str, int]:
        """The numbers of one check by name; none for a check this module does not know."""
        family, _, about = check.partition(".")
        kind, _, detail = about.partition(".")
        if family == "infrastructure" or kind == "sample":
            return self.rows("challenger")
        if kind == "nulls":
            return self.nulls(detail)
        if kind == "parity":
            return self.parity(detail)
        if kind == "rejected":
            side: Side = "champion" if detail == "champion" else "challenger"
            rows = self.rows(side)
            return {f"{side}_rejected": rows["rejected"], f"{side}_rows": rows["requests"]}
        return self.pairs()

    def rows(self, side: Side) -> dict[str, int]:
        """Counts of one model's rows over the window."""
        if side not in self._rows:
            self._rows[side] = self.rows_in(side, self.window, self.limit_ms)
        return self._rows[side]

    def rows_in(self, side: Side, span: Window, limit_ms: float) -> dict[str, int]:
        """Counts of one model's rows over a span of any length. limit_ms: of latency."""
        limits = {"limit_ms": limit_ms, "largest_ms": LARGEST_LATENCY}
        asked = {**self.ends, **self._span(span), **limits}
        return self._ask("verify_rows", {"logged": (side, None)}, span, asked)

    def ages_in(self, side: Side, span: Window, most: int) -> dict[str, int]:
        """How old features were in one model's rows of a span. most: microseconds."""
        asked = {**self._span(span), "most": most}
        return self._ask("verify_ages", {"logged": (side, None)}, span, asked)

    def pairs(self) -> dict[str, int]:
        """Coverage, duplicates, decisions and minutes, added up over slots."""
        if not self._pairs:
            self._pairs = self._by_slot("verify_pairs", None, {})
        return self._pairs

    def parity(self, feature: str) -> dict[str, int]:
        """Pairs in which a feature was compared, and in which it differs."""
        return self._by_slot(
            "verify_parity", feature, {"tolerance": PARITY_TOLERANCE, "largest": LARGEST}
        )

    def nulls(self, feature: str) -> dict[str, int]:
        """Rows and NULLs of a feature: the challenger's where it logs the feature."""
        return self.nulls_of(feature, tuple(reversed(SIDES)))

    def nulls_of(self, feature: str, sides: Sequence[Side]) -> dict[str, int]:
        """The same of the first of these models that logs it."""
        found = {"rows": 0, "nulls": 0}
        for side in sides:
            if has_column(self.files[side], self.rollout, side, feature) and not found["rows"]:
                found = self._ask(
                    "verify_nulls",
                    {"logged": (side, feature)},
                    self.window,
                    self._span(self.window),
                )
        return found

    @staticmethod
    def _span(span: Window) -> dict[str, int]:
        return {"start": span.start, "stop": span.end}

    def _by_slot(
        self, query: str, feature: str | None, parameters: Mapping[str, object]
    ) -> dict[str, int]:
        """Pairing is settled inside a slot, so each is counted by itself and the counts add up."""
        length = self.rollout.time.slot_hours * HOUR
        slack = int(self.rollout.time.pairing_slack_minutes * MINUTE)
        total: dict[str, int] = {}
        for start in range(self.window.start // length * length, self.window.end, length):
            wide = Window(start - slack, start + length + slack)
            inside = Window(max(start, self.window.start), min(start + length, self.window.end))
            found = self._ask(
                query,
                {side: (side, feature) for side in SIDES},
                wide,
                {
                    **parameters,
                    **self.ends,
                    **self._span(inside),
                    "low": wide.start,
                    "high": wide.end,
                    "length": length,
                    "slack": slack,
                },
            )
            total = {name: total.get(name, 0) + value for name, value in found.items()}
        return total

    def _ask(
        self,
        query: str,
        views: Mapping[str, tuple[Side, str | None]],
        span: Window,
        parameters: Mapping[str, object],
    ) -> dict[str, int]:
        statement = sql.load(query).text
        used = {name: value for name, value in parameters.items() if f"${name}" in statement}
        with engine.connect() as connection:
            for name, (side, feature) in views.items():
                engine.view(connection, name, self._source(side, feature, span))
            row = engine.run(connection, statement, used).to_pylist()[0]
        return {name: int(value or 0) for name, value in row.items()}

    def _source(self, side: Side, feature: str | None, span: Window) -> str:
        """A model's rows under canonical names, as SQL over the files that may hold them."""
        parts = [NO_ROWS]
        for file in self.files[side]:
            timeless = file.null_ts and file.first is not None
            if file.overlaps(span.start, span.end) or timeless:
                bound = File(self.rollout, self.frozen, self.rollout.log(side), file)
                parts.append(bound.select(feature))
        return "\nUNION ALL\n".join(parts)
