"""Where a simulation leaves what it found: as JSON, and as the page that is read."""

from __future__ import annotations

import json
from pathlib import Path


def save(out: Path, name: str, result: dict, page: str) -> None:
    """Write NAME.json and NAME.md into a folder; print the page."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, sort_keys=True) + "\n"
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    (out / f"{name}.md").write_text(page, encoding="utf-8")
    print(page)
