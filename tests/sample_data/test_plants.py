"""Every plant shows in the files, and truth.json counts exactly what is there."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

PAIRS, DAYS = 40_000, 2
KEY = "request_id"


class Pair:
    """Healthy logs and the same logs with one plant."""

    def __init__(self, healthy: Path, planted: Path, truth: dict[str, Any]) -> None:
        self.plant = truth["plants"][0]
        self.counts = self.plant["counts"]
        self.rows = truth["rows"]
        self.before = {side: read(healthy, side) for side in ("champion", "challenger")}
        self.after = {side: read(planted, side) for side in ("champion", "challenger")}

    def both(self, side: str) -> pl.DataFrame:
        return self.before[side].join(self.after[side], on=KEY, suffix="_b")

    @property
    def onset(self) -> datetime:
        return datetime.fromisoformat(self.plant["from"])


def read(root: Path, side: str) -> pl.DataFrame:
    return pl.read_parquet(root / side / "*" / "*.parquet").sort("ts", maintain_order=True)


@pytest.fixture(scope="module")
def plant(
    tmp_path_factory: pytest.TempPathFactory, generate: Callable[..., dict[str, Any]]
) -> Callable[[str], Pair]:
    common = {"pairs": PAIRS, "days": DAYS, "features": 4, "challenger_features": True}
    healthy = tmp_path_factory.mktemp("healthy")
    generate(healthy, **common, workers=1)

    def make(text: str) -> Pair:
        root = tmp_path_factory.mktemp("planted")
        return Pair(healthy, root, generate(root, **common, plants=[text], workers=1))

    return make


def test_segment(plant: Callable[[str], Pair]) -> None:
    pair = plant("segment:country=DE,device=ios,effect=1.5,from=12")
    assert pair.after["champion"].equals(pair.before["champion"])
    where = pair.before["champion"].filter(
        (pl.col("country") == "DE") & (pl.col("device") == "ios") & (pl.col("ts") >= pair.onset)
    )
    hit = pair.both("challenger").join(where.select(KEY), on=KEY, how="semi").drop_nulls("score")
    assert pair.counts["challenger_rows"] == hit.height > 300
    shift = (hit["score_b"] - hit["score"]).mean()
    assert shift == pytest.approx(pair.counts["mean_score_shift"], abs=1e-6)
    assert shift == pytest.approx(1.5 * 0.064, rel=0.05)
    rest = pair.both("challenger").join(hit, on=KEY, how="anti")
    assert rest["score"].eq_missing(rest["score_b"]).all()


def test_drift(plant: Callable[[str], Pair]) -> None:
    pair = plant("drift:feature=f00,shift=0.7,from=24")
    moved = pair.both("champion").filter(pl.col("f00") != pl.col("f00_b"))
    assert pair.counts["champion_rows"] == pair.counts["challenger_rows"] == moved.height
    assert moved["ts"].min() >= pair.onset
    assert (moved["f00_b"] - moved["f00"]).mean() == pytest.approx(0.7, abs=1e-3)


def test_score_drift(plant: Callable[[str], Pair]) -> None:
    pair = plant("score_drift:effect=1")
    both = pair.both("challenger").drop_nulls("score")
    assert pair.counts["challenger_rows"] == both.height
    shift = both.select(x=pl.col("score_b") - pl.col("score"))["x"]
    assert shift.mean() == pytest.approx(pair.counts["mean_score_shift"], abs=1e-6)
    assert shift.head(1000).mean() < 0.01 < 0.15 < shift.tail(1000).mean()


def test_latency(plant: Callable[[str], Pair]) -> None:
    pair = plant("latency:factor=2,from=24")
    both = pair.both("challenger").with_columns(x=pl.col("latency_ms_b") / pl.col("latency_ms"))
    slower = both.filter(pl.col("x") > 1.5)
    assert pair.counts["challenger_rows"] == slower.height
    assert slower["x"].mean() == pytest.approx(2, rel=1e-4)
    assert both.filter(pl.col("x") <= 1.5)["x"].max() == 1.0


def test_slow(plant: Callable[[str], Pair]) -> None:
    pair = plant("slow:p99=300,side=both")
    for side in ("champion", "challenger"):
        both = pair.both(side)
        changed = both.filter(pl.col("latency_ms") != pl.col("latency_ms_b"))
        assert pair.counts[f"{side}_rows"] == changed.height
        assert both["latency_ms_b"].quantile(0.99) == pytest.approx(300, rel=0.08)
        assert both["latency_ms_b"].median() == pytest.approx(both["latency_ms"].median(), rel=0.05)


def test_errors(plant: Callable[[str], Pair]) -> None:
    pair = plant("errors:rate=0.02,from=6,to=30")
    new = pair.both("challenger").filter(pl.col("error_b") & ~pl.col("error"))
    assert pair.counts["challenger_rows"] == new.height > 200
    assert pair.rows["challenger_errors"] == pair.after["challenger"]["error"].sum()
    assert new["score_b"].null_count() == new.height
    assert pair.after["champion"].equals(pair.before["champion"])


def test_lost(plant: Callable[[str], Pair]) -> None:
    pair = plant("lost:share=0.5,country=US,from=12,to=36")
    gone = pair.before["challenger"].join(pair.after["challenger"], on=KEY, how="anti")
    assert pair.counts["challenger_rows"] == gone.height > 2_000
    assert pair.rows["challenger_rows"] == PAIRS - gone.height
    countries = pair.before["champion"].join(gone.select(KEY), on=KEY, how="semi")["country"]
    assert countries.unique().to_list() == ["US"]


def test_duplicates(plant: Callable[[str], Pair]) -> None:
    pair = plant("duplicates:share=0.01,side=both")
    for side in ("champion", "challenger"):
        extra = pair.after[side].height - PAIRS
        assert pair.counts[f"{side}_rows"] == extra > 250
        assert pair.after[side][KEY].n_unique() == PAIRS


def test_nulls(plant: Callable[[str], Pair]) -> None:
    pair = plant("nulls:feature=f03,share=0.3,from=24")
    both = pair.both("champion")
    emptied = both.filter(pl.col("f03_b").is_null() & pl.col("f03").is_not_null())
    assert pair.counts["champion_rows"] == pair.counts["challenger_rows"] == emptied.height
    assert emptied["ts"].min() >= pair.onset


def test_unseen(plant: Callable[[str], Pair]) -> None:
    pair = plant("unseen:column=c1,value=brand_new,share=0.1,from=24")
    new = pair.after["champion"].filter(pl.col("c1") == "brand_new")
    assert pair.counts["champion_rows"] == new.height > 1_000
    assert new["ts"].min() >= pair.onset
    assert "brand_new" not in pair.before["champion"]["c1"]


def test_missing_day(plant: Callable[[str], Pair]) -> None:
    pair = plant("missing_day:day=1")
    missing = pair.before["challenger"].filter(
        pl.col("ts") >= datetime.fromisoformat("2025-03-04T00Z")
    )
    assert pair.counts["challenger_rows"] == missing.height
    assert pair.after["challenger"].height == PAIRS - missing.height
    assert pair.after["champion"].equals(pair.before["champion"])


def test_parity(plant: Callable[[str], Pair]) -> None:
    pair = plant("parity:feature=f02,share=0.05")
    sides = pair.after["champion"].join(pair.after["challenger"], on=KEY, suffix="_b")
    assert pair.counts["challenger_rows"] == sides.filter(pl.col("f02") != pl.col("f02_b")).height
    assert pair.counts["challenger_rows"] > 1_000


def test_plants_keep_out_of_each_other(plant: Callable[[str], Pair], tmp_path: Path) -> None:
    from synthetic import generate

    texts = ["lost:share=0.2", "errors:rate=0.01", "duplicates:share=0.01", "segment:plan=pro"]
    truth = generate(tmp_path, pairs=20_000, days=2, features=2, plants=texts, workers=1)
    challenger = read(tmp_path, "challenger").unique(KEY)
    champion = read(tmp_path, "champion").unique(KEY)
    lost, errors, _, segment = (one["counts"]["challenger_rows"] for one in truth["plants"])
    assert challenger.height == 20_000 - lost
    assert errors <= truth["rows"]["challenger_errors"] == challenger["error"].sum()
    pro = champion.filter(pl.col("plan") == "pro").select(KEY)
    scored = challenger.drop_nulls("score").join(pro, on=KEY, how="semi")
    assert segment == scored.height
