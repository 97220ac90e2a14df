"""How a reader makes a page's numbers again."""

from __future__ import annotations

from analyzer.verdict import Verdict


def how(verdict: Verdict, window: bool = True) -> str:
    """The options that make a command look at the same rows."""
    span = f"--from {verdict.window[0]} --to {verdict.window[1]}" if window else ""
    return f"--config rollout.toml {span}".strip()
