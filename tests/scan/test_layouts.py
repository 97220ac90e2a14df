"""Every layout and column type that the README promises."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from logbook import Book, hour_of, plain, times

from analyzer.errors import LogError

HOURS = {"time": {"slot_hours": 4}}


def matched(book: Book) -> int:
    return book.total("coverage", "matched")


def test_one_dataset_with_a_model_column(book: Book) -> None:
    ours, theirs = plain(500)
    both = pa.concat_tables(
        [
            ours.append_column("Model name", pa.array(["old"] * 500)),
            theirs.append_column("Model name", pa.array(["new"] * 500)),
            theirs.append_column("Model name", pa.array([None] * 500, pa.string())),
        ]
    )
    book.write("all.parquet", both, row_group_size=333)
    book.describe(
        {"paths": ["all.parquet"], "where": "\"Model name\" = 'old'"},
        {"paths": ["all.parquet"], "where": "\"MODEL NAME\" = 'new' AND score >= 0"},
        **HOURS,
    )
    book.scan()
    assert matched(book) == 500
    assert book.total("coverage", "champion_duplicates") == 0


def test_one_wide_row(book: Book) -> None:
    ours, theirs = plain(500, amount=np.arange(500.0))
    wide = ours.append_column("shadow score", theirs["score"])
    wide = wide.append_column("shadow ms", theirs["latency_ms"])
    book.write("wide.parquet", wide)
    book.describe(
        {"paths": ["wide.parquet"]},
        {
            "paths": ["wide.parquet"],
            "columns": {"score": "shadow score", "latency_ms": "shadow ms"},
        },
        features={"numeric": ["amount"]},
        **HOURS,
    )
    book.scan()
    assert matched(book) == 500
    assert book.table("parity").num_rows == 0, "one column agrees with itself: nothing to compare"
    assert book.total("cells", "difference_absolute", model="pair", a=None) > 0


def test_other_column_names(book: Book) -> None:
    ours, theirs = plain(100)
    names = ["rid", "a.b", 'p "quoted"', "ms"]
    book.write("champion.parquet", ours.rename_columns(names))
    book.write("challenger.parquet", theirs)
    mapping = dict(zip(["request_id", "ts", "score", "latency_ms"], names, strict=True))
    where = '"p ""quoted""" >= 0'
    book.describe({"paths": ["champion.parquet"], "columns": mapping, "where": where}, **HOURS)
    book.scan()
    assert matched(book) == 100


def test_hive_partitions_as_segment_and_filter(book: Book) -> None:
    ours, theirs = plain(400, hours=48)
    for side, table in (("champion", ours), ("challenger", theirs)):
        day = np.asarray(table["ts"].cast(pa.int64())) >= times([86400]).cast(pa.int64())[0].as_py()
        for number, date in enumerate(("2025-03-03", "2025-03-04")):
            for region in ("eu%20west", "us"):
                odd = np.arange(400) % 2 == (region == "us")
                rows = table.filter(pa.array((day == bool(number)) & odd))
                book.write(f"{side}/date={date}/region={region}/part.parquet", rows)
    book.describe(
        {"paths": ["champion"], "where": "date >= '2025-03-04'"},
        {"paths": ["challenger/**/*.parquet"]},
        segments={"columns": ["region"]},
        time={"slot_hours": 24},
    )
    book.scan()
    found = book.total("coverage", "champion_rows")
    assert 150 < found < 250 and matched(book) == found
    values = {row["a_value"] for row in book.table("cells").to_pylist() if row["a"] == "region"}
    assert values == {"eu west", "us"}
    strays = book.total("rejects", reason="outside its partition")
    assert strays == 0 or strays == 1, "a challenger row may lag over midnight"


def test_rows_outside_their_partition_are_counted(book: Book) -> None:
    at = times([0, 86399, 86400, -1, 90000 + 3600])
    columns = {"request_id": list("abcde"), "ts": at, "score": [0.5] * 5}
    book.write("champion/dt=2025-03-03/part.parquet", columns)
    book.write("challenger.parquet", columns)
    book.describe({"paths": ["champion"]}, time={"slot_hours": 24})
    book.scan()
    assert book.total("rejects", reason="outside its partition", model="champion") == 3
    assert matched(book) == 5
    book.describe({"paths": ["champion"]}, time={"slot_hours": 24, "calendar": "Asia/Tokyo"})
    book.scan()
    assert book.total("rejects", reason="outside its partition") == 2, "a day in Tokyo will do"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pa.int32(), pa.int64()),
        (pa.int64(), pa.string()),
        (pa.uint64(), pa.int64()),
        (pa.large_string(), pa.string()),
        (pa.float64(), pa.int64()),
        (pa.dictionary(pa.int16(), pa.string()), pa.string()),
    ],
    ids=str,
)
def test_types_of_ids(book: Book, ours: pa.DataType, theirs: pa.DataType) -> None:
    for side, kind, table in zip(
        ("champion", "challenger"), (ours, theirs), plain(200), strict=True
    ):
        ids = pa.array([*range(199), None], pa.int64())
        values = (
            ids.cast(pa.string()).dictionary_encode() if "dict" in str(kind) else ids.cast(kind)
        )
        book.write(f"{side}.parquet", table.set_column(0, "request_id", values))
    book.describe(**HOURS)
    book.scan()
    assert matched(book) == 199
    assert book.total("rejects", reason="request id null", model="champion") == 1
    assert book.table("worst")["request_id"].null_count == 0


def test_ids_of_two_widths_in_one_log(book: Book) -> None:
    ours, theirs = plain(200)
    narrow = ours.slice(0, 100).set_column(0, "request_id", pa.array(range(100), pa.int32()))
    wide = ours.slice(100).set_column(0, "request_id", pa.array(range(100, 200), pa.int64()))
    book.write("champion/a.parquet", narrow)
    book.write("champion/b.parquet", wide)
    book.write("challenger.parquet", theirs.set_column(0, "request_id", pa.array(range(200))))
    book.describe({"paths": ["champion"]}, **HOURS)
    book.scan()
    assert matched(book) == 200


def test_ids_beyond_63_bits_are_shown_as_they_are(book: Book) -> None:
    for side, table in zip(("champion", "challenger"), plain(3), strict=True):
        ids = pa.array([2**64 - 1, 2**63, 5], pa.uint64())
        book.write(f"{side}.parquet", table.set_column(0, "request_id", ids))
    book.describe(**HOURS)
    book.scan()
    assert set(book.table("worst")["request_id"].to_pylist()) == {str(2**64 - 1), str(2**63), "5"}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("statistics", [True, False])
def test_units_and_zones_of_timestamps(
    book: Book, unit: str, zone: str | None, statistics: bool
) -> None:
    seconds = [0, 3600, 7201]
    base = {"request_id": list("abc"), "score": [0.5] * 3}
    at = times(seconds, pa.timestamp(unit, zone))
    if unit == "ns":  # an instant that no datetime holds
        at = pa.array(np.asarray(at.cast(pa.int64())) + 123).cast(at.type)
    book.write("champion.parquet", {**base, "ts": at}, write_statistics=statistics)
    book.write("challenger.parquet", {**base, "ts": times(seconds)})
    book.describe(time={"slot_hours": 1, **({} if zone else {"zone": "UTC"})})
    assert book.scan().problems == ()
    hours = [hour_of(r["hour"]) for r in book.table("coverage").to_pylist() if r["matched"]]
    assert hours == [0, 1, 2]


@pytest.mark.parametrize("statistics", [True, False])
def test_naive_timestamps_over_a_clock_change(book: Book, statistics: bool) -> None:
    """Berlin, 2025-10-26: 02:30 occurs twice, the earlier is taken; in spring 02:30 is not."""
    naive = [
        datetime(2025, 3, 30, 1, 30),
        datetime(2025, 3, 30, 2, 30),
        datetime(2025, 3, 30, 3, 30),
        datetime(2025, 10, 26, 1, 30),
        datetime(2025, 10, 26, 2, 30),
        datetime(2025, 10, 26, 3, 30),
    ]
    base = {"request_id": list("abcdef"), "score": [0.5] * 6}
    at = pa.array(naive, pa.timestamp("us"))
    book.write(
        "champion.parquet", {**base, "ts": at}, row_group_size=1, write_statistics=statistics
    )
    book.write("challenger.parquet", {**base, "ts": at})
    book.describe(time={"slot_hours": 1, "zone": "Europe/Berlin"})
    book.scan()
    utc = ZoneInfo("UTC")
    assert [row["hour"] for row in book.table("coverage").to_pylist()] == [
        datetime(2025, 3, 30, 0, tzinfo=utc),
        datetime(2025, 3, 30, 1, tzinfo=utc),
        datetime(2025, 10, 25, 23, tzinfo=utc),
        datetime(2025, 10, 26, 0, tzinfo=utc),
        datetime(2025, 10, 26, 2, tzinfo=utc),
    ]
    assert matched(book) == 6


def test_naive_timestamps_without_a_zone_are_named(book: Book) -> None:
    for side, table in zip(("champion", "challenger"), plain(5), strict=True):
        book.write(
            f"{side}.parquet", table.set_column(1, "ts", table["ts"].cast(pa.timestamp("us")))
        )
    book.describe(**HOURS)
    with pytest.raises(LogError, match="'ts' has no time zone; declare one as `zone`"):
        book.scan()


@pytest.mark.parametrize(
    "values",
    [["yes", "no", None, "maybe"], [1, 0, None, 7], [True, False, None, True]],
    ids=["text", "whole", "flag"],
)
def test_class_labels(book: Book, values: list[Any]) -> None:
    base = {"request_id": list("abcd"), "ts": times([0, 1, 2, 3])}
    book.write("champion.parquet", {**base, "prediction": values})
    book.write("challenger.parquet", {**base, "prediction": values[::-1]})
    book.describe(score={"type": "class"}, **HOURS)
    book.scan()
    assert book.total("confusion") == 2
    assert book.total("cells", "decided", model="pair", a=None) == 2
    assert book.total("values", model="champion", column="prediction") == 4


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.decimal128(10, 4), pa.int32()], ids=str
)
def test_number_types_of_scores_and_features(book: Book, kind: pa.DataType) -> None:
    for side, table in zip(("champion", "challenger"), plain(300), strict=True):
        numbers = pa.array([*(i % 7 for i in range(299)), None], pa.int16()).cast(kind)
        table = table.set_column(2, "score", numbers).append_column("f", numbers)
        book.write(f"{side}.parquet", table)
    book.describe(score={"type": "regression"}, features={"numeric": ["f"]}, **HOURS)
    book.scan()
    assert book.total("cells", "difference_absolute", model="pair", a=None) == 0
    assert book.total("fine", model="champion", column="f") == 299
    assert book.total("parity", "compared") == 300 and book.total("parity", "differing") == 0
    assert len({r["code"] for r in book.table("fine").to_pylist()}) == 7


def test_categories_of_every_type(book: Book) -> None:
    ours, theirs = plain(300)
    columns = {
        "text": pa.array(["a", "b", None] * 100),
        "large": pa.array(["a", "b", None] * 100, pa.large_string()),
        "coded": pa.array(["a", "b", None] * 100).dictionary_encode(),
        "whole": pa.array([1, 2, None] * 100),
        "flag": pa.array([True, False, None] * 100),
        "day": pa.array([0, 1, None] * 100, pa.int32()).cast(pa.date32()),
        "empty": pa.nulls(300),
    }
    for name, values in columns.items():
        ours = ours.append_column(name, values)
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    names = sorted(columns)
    book.describe(features={"categorical": names}, segments={"columns": names[:4]}, **HOURS)
    assert book.scan().problems == ()
    for name in names:
        shares = {
            value: book.total("values", model="champion", column=name, value=value)
            for value in {
                r["value"] for r in book.table("values").to_pylist() if r["column"] == name
            }
        }
        assert sum(shares.values()) == 300
        assert shares[None] == (300 if name == "empty" else 100)


def test_a_row_group_that_spans_months(book: Book) -> None:
    """Only days that hold rows become slots, although the footer states a span of a year."""
    days = [0, 1, 100, 365]
    columns = {
        "request_id": [str(d) for d in days],
        "ts": times([d * 86400 + 60 for d in days]),
        "score": [0.5] * 4,
    }
    book.write("champion.parquet", columns)
    book.write("challenger.parquet", columns)
    book.describe()
    assert len(book.scan().scanned) == 4
    assert matched(book) == 4


def test_pairs_across_slots_belong_to_the_champions_slot(book: Book) -> None:
    """A challenger that answers late, or early, within `pairing_slack`; not one beyond it."""
    ids = list("abcd")
    ours = {"request_id": ids, "ts": times([3599, 3601, 3590, 3610]), "score": [0.1] * 4}
    theirs = {"request_id": ids, "ts": times([3605, 3595, 4300, 2900]), "score": [0.2] * 4}
    book.write("champion.parquet", ours)
    book.write("challenger.parquet", theirs)
    book.describe(time={"slot_hours": 1, "pairing_slack_minutes": 10})
    book.scan()
    rows = {hour_of(r["hour"]): r for r in book.table("coverage").to_pylist()}
    assert [rows[h]["matched"] for h in (0, 1)] == [1, 1]
    assert [rows[h]["only_champion"] for h in (0, 1)] == [1, 1]
    assert sum(row["only_challenger"] for row in rows.values()) == 2
    assert [rows[h]["lag_us"] for h in (0, 1)] == [6_000_000, -6_000_000]


def test_request_ids_can_be_kept_out(book: Book) -> None:
    for side, table in zip(("champion", "challenger"), plain(300), strict=True):
        book.write(f"{side}.parquet", table)
    book.describe(store={"redact_ids": True}, **HOURS)
    book.scan()
    assert book.table("worst").num_rows == 50
    assert book.table("worst")["request_id"].null_count == 50
    everything = b"".join(p.read_bytes() for p in book.store.path.rglob("*") if p.is_file())
    assert b"r123" not in everything
