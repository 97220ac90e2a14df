"""Who may import whom, as a table, checked on the source."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "analyzer"
FILES = sorted(PACKAGE.rglob("*.py"))

ONLY_HERE = {
    "duckdb": ("engine.py",),
    "altair": ("report/bands.py", "report/charts.py", "report/drawing.py"),
    "boto3": ("router/sagemaker.py",),
    "botocore": ("router/sagemaker.py",),
    "vl_convert": ("report/drawing.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "scipy": ("stats/",),
}
"""Libraries and the only places that may import them."""

NEVER = {"random", "time", "requests", "urllib.request", "pandas", "sklearn"}
"""No clock, chance or network below `cli`."""

SERVING = {
    "router/client.py": {"time"},
    "router/sources.py": {"urllib.request"},
    "router/killswitch.py": {"environ"},
    "router/confirm.py": {"time"},
    "router/controller.py": {"time"},
    "router/step.py": {"time"},
    "router/fall.py": {"time"},
    "router/reaction.py": {"time"},
    "router/rise.py": {"time"},
    "router/http.py": {"urllib.request"},
}
"""What serves, or talks to a router, and what it may have of clock, network and environment."""

CLIENT = {
    "router/__init__.py",
    "router/client.py",
    "router/sources.py",
    "router/killswitch.py",
    "router/decision.py",
    "router/files.py",
    "router/memory.py",
    "router/units.py",
}
"""What serving code imports: the standard library, and of ours only this and `errors`."""

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
    (
        *(
            "errors",
            "design",
            "labelling",
            "phase_limits",
            "routing",
            "registering",
            "config",
            "policy",
            "window",
            "weeks",
            "stages",
        ),
        *("sql", "engine", "compute"),
    ),
    ("kinds", "paths", "footers", "ids", "histogram"),
    ("logs",),
    ("selection", "reader", "serving", "frozen", "profile"),
    ("store",),
    ("roles", "profiles"),
    ("binned",),
    ("scan",),
    ("measure", "diary", "references"),
    ("baseline", "accepted"),
    ("verdict",),
    ("labels",),
    ("experiment",),
    ("triggers",),
    ("phases", "slo"),
    ("chain",),
    ("column_counts",),
    ("rehearsal", "divergence", "drift", "latency"),
    ("onset", "segments", "mix"),
    ("drilldown",),
    ("gate", "diagnose", "shapes", "courses"),
    ("restored",),
    ("history",),
    ("router",),
    ("registry",),
    ("overview",),
    ("beside",),
    ("report",),
    ("nightly", "postmortem"),
]
"""Rooms of the package: a file imports from its own layer or those above; others may use all."""

SCAN_LAYERS = [
    ("narrow", "pairing", "memory"),
    ("rows", "slot"),
    ("measures", "fine", "rejects", "agreement"),
    ("tallies",),
    ("hours",),
    ("ages",),
    ("features", "pairs"),
    ("halves", "freshness"),
    ("workers",),
    ("run",),
    ("__init__",),
]
"""The same inside the scan."""

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
SCAN_RANK = {name: rank for rank, layer in enumerate(SCAN_LAYERS) for name in layer}


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
    if place in CLIENT:
        ours = {module for module in found if module.startswith("analyzer")}
        others = {module.split(".")[0] for module in found - ours}
        assert others <= sys.stdlib_module_names, f"{place} imports {others}"
        files = {name.removesuffix(".py").replace("/", ".") for name in CLIENT}
        stray = {m for m in ours if m.removeprefix("analyzer.") not in {*files, "errors"}}
        assert not stray, f"{place} imports {stray}"
    if not place.startswith("cli/"):
        assert not any(module.startswith("analyzer.cli") for module in found), place
        used = (found & NEVER) - SERVING.get(place, set())
        assert not used, f"{place} imports {used}"
        read = re.search(r"\b(environ|getenv)\b", path.read_text(encoding="utf-8"))
        assert not read or "environ" in SERVING.get(place, ()), f"{place} reads the environment"
    if place.startswith("stats/"):
        stray = {m for m in found if not any(m == s or m.startswith(s + ".") for s in STATS)}
        assert not stray, f"{place} imports {stray}"
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in found:
        if module.startswith("analyzer.") and room in RANK:
            used = module.split(".")[1]
            assert RANK.get(used, 99) <= RANK[room] or used == "stats", (
                f"{place} imports {module}: nothing flows back"
            )
        if module.startswith("analyzer.scan.") and room == "scan":
            used = module.split(".")[2]
            assert SCAN_RANK.get(used, 0) <= SCAN_RANK[path.stem], (
                f"{place} imports {module}: nothing flows back"
            )


def test_every_room_is_in_the_table() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms - {"cli", "check", "init", "stats", "verify", "__init__"} == set(RANK)
    inside = {path.stem for path in (PACKAGE / "scan").glob("*.py")}
    assert inside == set(SCAN_RANK)
