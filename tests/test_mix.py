"""Mix or behaviour, as people read it."""

from __future__ import annotations

import pytest

from analyzer.mix import mix_of


def test_parts_are_ordered_by_size_and_add_up() -> None:
    found = mix_of(
        "country", ["de", None, "us"], [50, 30, 20], [5, 6, 8], [30, 30, 40], [3, 7.8, 16]
    )
    assert [p.group for p in found.parts] == ["us", "de", None]
    assert found.shift == pytest.approx(0.078)
    assert found.mix is not None and found.within is not None
    assert sum(p.mix + p.within for p in found.parts) == pytest.approx(found.shift, abs=1e-9)
    assert found.sentence == (
        "mean score moved by +0.078: +0.06 because the mix of country changed, "
        "+0.018 within its groups"
    )


def test_an_empty_group_has_no_mean() -> None:
    found = mix_of("os", ["a", "b"], [10, 0], [1, 0], [5, 5], [0.5, 2])
    new = next(p for p in found.parts if p.group == "b")
    assert new.mean_before is None and new.mean_after == pytest.approx(0.4)
    assert new.within == 0


def test_refusal_is_a_finding() -> None:
    found = mix_of("os", ["a"], [0], [0], [5], [1])
    assert found.shift is None and found.parts == []
    assert "no rows in one window" in found.sentence


def test_arrays_must_fit() -> None:
    with pytest.raises(ValueError, match="os: one count"):
        mix_of("os", ["a", "b"], [1], [1], [1], [1])
