"""What the search for an onset says of one series in plain words."""

from __future__ import annotations

from analyzer.stats.changepoint import ChangePoint, NotLocated

CONSTANT = 1e4
"""Shift in standard deviations from which a series counts as constant before it."""


def in_deviations(found: ChangePoint) -> float | None:
    """The shift in long-run standard deviations; None where the series did not vary before."""
    return found.shift / found.sd if abs(found.shift) < CONSTANT * found.sd else None


def onset_sentence(
    name: str,
    unit: str,
    found: ChangePoint | NotLocated,
    instants: tuple[str | None, str | None, str | None],
) -> str:
    """A series in a sentence. instants: its onset and the interval that holds it, as text."""
    if isinstance(found, NotLocated):
        return f"{name}: {found.reason}"
    at, low, high = instants
    way = "up" if found.shift > 0 else "down"
    size = f"{abs(found.shift):.4g} {unit}".strip()
    grew = "" if found.kind == "step" else ", growing gradually"
    deviations = in_deviations(found)
    usual = "it hardly varied before"
    if deviations is not None:
        usual = f"{abs(deviations):.1f} long-run standard deviations"
    return (
        f"{name} moved {way} by {size} ({usual}{grew}) at {at}; the onset lies between {low} and "
        f"{high}"
    )
