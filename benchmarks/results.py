"""Medians over alternating rounds, tables for people, and the result files."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import machine

RESULTS = Path(__file__).parent / "results"

Row = Mapping[str, object]


def alternate(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list]:
    """Run every contender once a round, in turn: what disturbs the machine disturbs them all."""
    taken: dict[str, list] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            print(f"round {number + 1} of {rounds}: {name}", flush=True)
            taken[name].append(contender())
    return taken


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Spread of the ratios of runs of the same round."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def shown(values: Mapping[str, float], unit: str = "") -> str:
    """A spread as people read it."""
    return f"{values['median']:.3g} ({values['min']:.3g}-{values['max']:.3g}){unit}"


def against(value: float, limit: float, at_least: bool = False) -> str:
    """Whether a figure keeps its target."""
    kept = value >= limit if at_least else value <= limit
    return f"{'meets' if kept else 'MISSES'} {'>=' if at_least else '<='} {limit:g}"


def markdown(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    if not rows:
        return "(nothing measured)"
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row.get(n, "")) for n in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(
    name: str,
    title: str,
    date: str,
    out: Path,
    parameters: Row,
    tables: Mapping[str, Sequence[Row]],
    raw: Row,
    notes: Sequence[str] = (),
) -> None:
    """Print the tables; write NAME.json and NAME.md."""
    where = machine.facts()
    versions = ", ".join(f"{k} {v}" for k, v in dict(where["versions"]).items())
    text = [f"# {title}", ""]
    text += [
        f"{date}. {where['cpu']}, {where['cores']} cores, {where['memory_gb']} GB, "
        f"{where['system']}; {versions}. Load at the end {where['load']}.",
        "",
        "Parameters: " + ", ".join(f"{k} {v}" for k, v in parameters.items()) + ".",
        "Figures are median (min-max) over the rounds.",
        "",
    ]
    for heading, rows in tables.items():
        text += [f"## {heading}", "", markdown(rows), ""]
    text += [f"* {note}" for note in notes]
    whole = "\n".join(text).rstrip() + "\n"
    print("\n" + whole)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(whole, encoding="utf-8")
    content = {
        "benchmark": name,
        "date": date,
        "machine": where,
        "parameters": dict(parameters),
        "tables": {heading: list(rows) for heading, rows in tables.items()},
        "raw": dict(raw),
        "notes": list(notes),
    }
    (out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
