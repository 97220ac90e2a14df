"""Rollback triggers on simulated weeks: `python -m benchmarks.planted.triggers --date D`.

Clean weeks hold daily and weekly cycles, bursts (every minute's rate varies by 5 %), quiet nights,
holidays that the diary knows, clock changes both ways, ramp steps, nights without a request; none
may fire. In the others a breach is planted, as counts, and must fire at the very minute, or must
not: exactly at a limit, too short, or by what the policy says of minutes that are missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.machine import facts
from benchmarks.planted.saved import save
from benchmarks.planted.trigger_plants import PLANTS, planted
from benchmarks.planted.trigger_weeks import World

HERE = Path(__file__).parent / "results"
RAMP = ((1500.5, 0.2), (3000.25, 0.5), (6000.5, 1.0))
"""Minutes of the week in which the weight is raised from 5 %, and to what: within a minute, too."""

KINDS: dict[str, dict[str, Any]] = {
    "a ramp from 5 % to all": {"steps": RAMP},
    "nights without a request": {"closed": True},
}
"""Clean weeks beside those of the seeds' own calendars: a tenth as many of each."""


def clean(first: int, weeks: int) -> dict[str, dict[str, Any]]:
    """What fired in clean weeks, by their kind."""
    found: dict[str, dict[str, Any]] = {}
    worlds = [(seed, "", {}) for seed in range(first, first + weeks)]
    for kind, options in KINDS.items():
        worlds += [(seed, kind, options) for seed in range(first, first + -(-weeks // 10))]
    for seed, kind, options in worlds:
        world = World(seed, **options)
        clocks = {"none": "no clock change"}.get(world.clocks, f"clocks in {world.clocks}")
        name = kind or clocks + (", a holiday" if world.holiday else "")
        row = found.setdefault(name, {"weeks": 0, "undecided minutes": 0, "fired": {}})
        row["weeks"] += 1
        for trigger, course in world.followed().items():
            row["fired"][trigger] = row["fired"].get(trigger, 0) + len(course.fired)
            row["undecided minutes"] += int(course.undecided.sum())
    return found


def main() -> None:
    """Simulate and write results/triggers.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--breaches", type=int, default=50, help="of each kind")
    parser.add_argument("--date", required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    kinds = {}
    for what, plant in PLANTS.items():
        answers = [planted(options.seed + i, what) for i in range(options.breaches)]
        kinds[what] = {
            "must fire": plant.fires is not None,
            "as it must": sum(right for right, _ in answers),
            "of": len(answers),
            "other triggers fired": sum(others for _, others in answers),
        }
    result = {
        "date": options.date,
        "seed": options.seed,
        "clean": clean(options.seed, options.weeks),
        "planted": kinds,
        "machine": facts(),
    }
    save(options.out, "triggers", result, _page(result))


def _page(result: dict[str, Any]) -> str:
    machine = result["machine"]
    rows = result["clean"]
    versions = ", ".join(f"{name} {one}" for name, one in sorted(machine["versions"].items()))
    lines = [
        "# Rollback triggers on simulated weeks",
        "",
        f"{result['date']}. Seeds from {result['seed']}; {sum(r['weeks'] for r in rows.values()):,}"
        " clean weeks of canary traffic. Undecided minutes are summed over the five triggers: most "
        "are nights too quiet to judge.",
        "",
        "| clean weeks | number | times a trigger fired | undecided minutes |",
        "|---|---|---|---|",
        *(
            f"| {name} | {row['weeks']} | {_fired(row['fired'])} | {row['undecided minutes']:,} |"
            for name, row in sorted(rows.items())
        ),
        "",
        "Right: it fired once, with its first breach and its firing in the very minutes; or not at "
        "all; and lost its count in as many minutes as the policy's rule says. A silent challenger "
        "of half the traffic is a drop of all traffic too.",
        "",
        "| planted | must fire | right | other triggers fired |",
        "|---|---|---|---|",
        *(
            f"| {what} | {'yes' if k['must fire'] else 'no'} | {k['as it must']} of {k['of']} | "
            f"{k['other triggers fired']} |"
            for what, k in result["planted"].items()
        ),
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; {versions}.",
        "",
    ]
    return "\n".join(lines)


def _fired(by_trigger: dict[str, int]) -> str:
    every = ", ".join(f"{name} {n}" for name, n in by_trigger.items() if n)
    return f"{sum(by_trigger.values())}" + (f" ({every})" if every else "")


if __name__ == "__main__":
    main()
