"""`analyzer init`: guess a first rollout.toml from Parquet schemas and a small sample of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.config import Rollout
from analyzer.errors import LogError
from analyzer.init.arrival import arrival
from analyzer.init.columns import is_labels, is_proxies, mapped
from analyzer.init.datasets import datasets, files_of
from analyzer.init.roles import two_views
from analyzer.init.text import written

__all__ = ["Guess", "guess", "second_look"]


@dataclass(frozen=True)
class Guess:
    """A first rollout.toml, and what was guessed in sentences for whoever reads along."""

    text: str
    notes: tuple[str, ...]


def guess(paths: Sequence[str | Path], root: str | Path = ".") -> Guess:
    """Read schemas and a few thousand rows; write a rollout.toml meant to lie in `root`.

    Raises LogError when nothing matches, nothing is readable, or which log is whose cannot be
    told; the text says what would help.
    """
    files = files_of(paths)
    found, unreadable = datasets(files)
    notes = [f"left out: {path} ({why})" for path, why in unreadable]
    if not found:
        raise LogError("no file can be read as Parquet:\n  " + "\n  ".join(notes))
    labels = [d for d in found if is_labels(d)]
    signals = [d for d in found if is_proxies(d)]
    logs = [d for d in found if d not in labels and d not in signals]
    champion, challenger = (mapped(view, notes) for view in two_views(logs, notes))
    text = written(champion, challenger, labels[0] if labels else None, Path(root), notes, signals)
    return Guess(text, tuple(notes))


def second_look(guessed: Guess, rollout: Rollout) -> Guess:
    """The guess once labels of single requests were looked up: how do they arrive?

    rollout: what the guess's text says.
    """
    found = arrival(rollout)
    if found is None:
        return guessed
    named, why = found
    text = guessed.text.replace('arrival = "both"', f'arrival = "{named}"', 1)
    return replace(guessed, text=text, notes=(*guessed.notes, f"labels: {why}; arrival = {named}"))
