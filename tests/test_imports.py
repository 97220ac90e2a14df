"""Who may import whom, as a table, checked on the source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "analyzer"
FILES = sorted(PACKAGE.rglob("*.py"))

ONLY_HERE = {
    "duckdb": ("engine.py",),
    "altair": ("report/charts.py",),
    "vl_convert": ("report/charts.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "scipy": ("stats/",),
}
"""Libraries and the only places that may import them."""

NEVER = {"random", "time", "requests", "urllib.request", "pandas", "sklearn"}
"""No clock, chance or network below `cli`."""

STATS = {
    "numpy",
    "scipy",
    "math",
    "dataclasses",
    "collections",
    "typing",
    "fractions",
    "functools",
    "itertools",
    "__future__",
    "analyzer.stats",
}

LAYERS = [
    ("errors", "config", "policy", "window", "sql", "engine"),
    ("logs", "ids", "histogram", "pairing"),
    ("selection", "reader", "frozen", "narrow", "profile"),
    ("rows", "slot", "store"),
    ("measures", "fine", "rejects", "agreement"),
    ("tallies",),
    ("hours",),
    ("features", "pairs"),
    ("halves", "freshness", "memory", "roles"),
    ("workers",),
    ("scan", "profiles"),
    ("measure", "diary", "references"),
    ("verdict",),
    ("onset", "mix", "same_hours", "precursor_records"),
    ("comparison",),
    ("hidden", "precursor_words"),
    ("precursors",),
    ("phases", "segments"),
    ("drilldown",),
    ("rehearsal", "divergence", "drift", "latency"),
    ("gate", "diagnose"),
    ("shapes", "courses"),
    ("overview",),
    ("report",),
    ("nightly",),
]
"""A module imports from its own layer or those above; others are free to use all."""

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, with the names taken from packages of ours."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(["analyzer", *path.parent.relative_to(PACKAGE).parts])
            found.add(f"{package}.{node.module or ''}" if node.level else node.module or "")
            if node.module == "analyzer":
                found |= {f"analyzer.{a.name}" for a in node.names if not a.name.startswith("_")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports(path: Path) -> None:
    place = str(path.relative_to(PACKAGE))
    found = imports(path)
    for module in found:
        allowed = ONLY_HERE.get(module.split(".")[0])
        assert allowed is None or place.startswith(allowed), f"{place} imports {module}"
    if not place.startswith("cli/"):
        assert not found & NEVER, f"{place} imports {found & NEVER}"
        assert not any(module.startswith("analyzer.cli") for module in found), place
        read = re.search(r"\b(environ|getenv)\b", path.read_text(encoding="utf-8"))
        assert not read, f"{place} reads the environment"
    if place.startswith("stats/"):
        stray = {m for m in found if not any(m == s or m.startswith(s + ".") for s in STATS)}
        assert not stray, f"{place} imports {stray}"
    if path.stem in RANK and path.parent == PACKAGE:
        for module in found:
            used = module.removeprefix("analyzer.").split(".")[0]
            if module.startswith("analyzer."):
                assert RANK.get(used, 99) <= RANK[path.stem] or used == "stats", (
                    f"{place} imports {module}: nothing flows back"
                )
