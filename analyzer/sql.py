"""Finds the statements in `queries/` and reads the header that each of them carries."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from analyzer.errors import ConfigError

HEADER = ("grain", "reads", "parameters", "columns")


@dataclass(frozen=True)
class Query:
    """One statement: its name, purpose, header fields and text."""

    name: str
    purpose: str
    header: dict[str, str]
    text: str


def _folder() -> Path:
    inside = Path(str(files("analyzer"))) / "queries"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "queries"


def names() -> list[str]:
    """Names of all statements, sorted."""
    return sorted(path.stem for path in _folder().glob("*.sql"))


def load(name: str) -> Query:
    """The statement called `name`. Raises ConfigError that lists the names there are."""
    path = _folder() / f"{name}.sql"
    if name not in names():
        raise ConfigError(f"no statement is called {name!r}; there are: {', '.join(names())}")
    text = path.read_text(encoding="utf-8")
    comments = [
        line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")
    ]
    fields = dict(line.split(":", 1) for line in comments if line.split(":")[0] in HEADER)
    purpose = " ".join(line for line in comments if line.split(":")[0] not in HEADER)
    return Query(name, purpose, {k: v.strip() for k, v in fields.items()}, text)
