"""Named drift references: a window frozen under a name, so that its edges never move."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from analyzer.errors import ConfigError, StoreError
from analyzer.store import Store
from analyzer.window import Window, parse_window, show


def freeze(store: Store, name: str, window: Window) -> Path:
    """Keep `window` as the reference `name`; it cannot be changed, only a new name given.

    Raises ConfigError for an unusable or a taken name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ConfigError(f"{name!r}: name a reference with letters, digits, '.', '_' and '-'")
    path = store.path / "references" / f"{name}.json"
    if path.exists():
        kept = load(store, name)
        if kept == window:
            return path
        raise ConfigError(f"the reference {name!r} is frozen to {kept}; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            msgspec.json.encode({"start": show(window.start), "end": show(window.end)}) + b"\n"
        )
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error})") from None
    return path


def load(store: Store, name: str) -> Window:
    """The window frozen as `name`. Raises ConfigError that lists the names there are."""
    folder = store.path / "references"
    path = folder / f"{name}.json"
    known = sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []
    if name not in known:
        raise ConfigError(
            f"no reference is called {name!r}; there are: {', '.join(known) or 'none'} "
            "(make one with `analyzer drift --freeze NAME --from ... --to ...`)"
        )
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        return parse_window(kept["start"], kept["end"])
    except (msgspec.DecodeError, KeyError, OSError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from None
