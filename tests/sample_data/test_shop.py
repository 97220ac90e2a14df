"""The made-up shop: the same rows for a seed, and an A/B test that can be planned and read."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from analyzer.cli import group
from sample_data.shop import write

USERS = 1500


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write(folder, seed=3, users=USERS)
    return folder


def test_the_same_seed_the_same_rows(shop: Path, tmp_path: Path) -> None:
    write(tmp_path, seed=3, users=USERS)
    files = sorted(p.relative_to(shop) for p in shop.rglob("*.parquet"))
    assert len(files) == 5 * 14
    for file in files:
        assert (tmp_path / file).read_bytes() == (shop / file).read_bytes()
    write(tmp_path, seed=4, users=USERS)
    assert (tmp_path / files[0]).read_bytes() != (shop / files[0]).read_bytes()


def test_every_visit_of_the_test_was_answered_by_its_arm(shop: Path) -> None:
    outcomes = pl.read_parquet(shop / "outcomes" / "*.parquet")
    assert outcomes.group_by("unit_id").agg(pl.col("variant").n_unique())["variant"].max() == 1
    for variant, side in (("A", "champion"), ("B", "challenger")):
        asked = pl.read_parquet(shop / side / "*.parquet").filter(
            pl.col("ts") >= outcomes["ts"].min()
        )
        mine = outcomes.filter(pl.col("variant") == variant)
        assert asked.select("ts", "unit_id").equals(mine.select("ts", "unit_id"))


def test_from_the_plan_to_the_page(shop: Path) -> None:
    def run(*words: str) -> str:
        config = str(shop / ("past.toml" if "plan" in words else "rollout.toml"))
        done = CliRunner().invoke(group, ["experiment", *words, "--config", config])
        assert done.exit_code == 0, done.output
        return done.stdout

    planned = run("plan", "--min-effect", "0.4", "--start", "2026-03-16")
    assert "Planned: " in planned
    page = shop / "ab.html"
    found = json.loads(run("analyze", "--json", "--html", str(page)))
    assert found["valid"] == "pass"
    assert [mistake["rule"] for mistake in found["mistakes"]] == []
    assert page.read_bytes().startswith(b"<!doctype html>")
