"""Decisions and their files, for the tests of the router."""

from __future__ import annotations

from pathlib import Path

from analyzer.router.decision import Decision, decision_for, encode
from analyzer.router.files import replace

NOW = 1_370_000_000.0
MODELS = {"champion": "v6", "challenger": "v7"}


def decided(share: float, epoch: int = 1, phase: str = "canary", **other: object) -> Decision:
    """A decision issued at NOW that is valid for an hour."""
    known: dict[str, object] = {
        "rollout": "flights",
        "models": MODELS,
        "reason": "a test",
        "verdict": "0123456789abcdef",
        "issued": NOW,
        "expires": NOW + 3600,
        "epoch": epoch,
    }
    return decision_for(phase, share, **{**known, **other})  # type: ignore[arg-type]


def written(folder: Path, *decision: object, **other: object) -> Path:
    """decision.json in a folder, as `decided` makes it."""
    path = folder / "decision.json"
    replace(path, encode(decided(*decision, **other)))  # type: ignore[arg-type]
    return path
