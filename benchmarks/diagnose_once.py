"""One diagnosis in a process of its own.

    python -m benchmarks.diagnose_once CONFIG START END JOBS

Prints as JSON how long it took in all and how much of that was the drill-down.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from analyzer import config, diary, policy
from analyzer.diagnose import analysis
from analyzer.window import parse_window


def main() -> None:
    """Diagnose and print the seconds."""
    path, start, end, jobs = sys.argv[1:5]
    seconds = {"drill-down": 0.0}
    drill = analysis.drill

    def timed(*arguments: Any) -> Any:
        before = time.perf_counter()
        found = drill(*arguments)
        seconds["drill-down"] += time.perf_counter() - before
        return found

    analysis.drill = timed
    rollout = config.load(path)
    before = time.perf_counter()
    found = analysis.diagnose(
        rollout,
        policy.load(),
        incident=parse_window(start, end),
        events=diary.read(diary.path_of(rollout)),
        jobs=int(jobs),
    ).diagnosis
    seconds["whole"] = time.perf_counter() - before
    seconds["rest"] = seconds["whole"] - seconds["drill-down"]
    named = [s.measure for s in found.searches if s.found for _ in s.found.segments]
    tested = sum(s.found.cells_tested for s in found.searches if s.found)
    record = found.drilldown
    pairs = record.pairs if record else 0
    print(json.dumps({**seconds, "pairs": pairs, "tested": tested, "named": len(named)}))


if __name__ == "__main__":
    main()
