"""The diary: appended atomically, read in order, refused by line."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analyzer import diary
from analyzer.diary import Event
from analyzer.errors import ConfigError
from analyzer.window import parse


def test_an_absent_diary_is_empty(tmp_path: Path) -> None:
    assert diary.read(tmp_path / "events.jsonl") == ()


def test_what_is_appended_is_read_back_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "events.jsonl"
    later = Event("2025-03-05T10:00Z", "phase", phase="shadow", source="ana")
    earlier = Event("2025-03-04", "note", note='a "quoted" line\nwith a break')
    diary.append(path, later)
    diary.append(path, earlier)
    assert diary.read(path) == (earlier, later)
    assert len(path.read_bytes().splitlines()) == 2


def test_a_line_left_open_by_an_editor_stays_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"ts": "2025-03-04", "kind": "note"}')
    diary.append(path, Event("2025-03-05", "note"))
    assert len(diary.read(path)) == 2


def test_writers_at_once_never_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = [Event("2025-03-05", "note", note=str(n) * 500) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: diary.append(path, event), events))
    assert {event.note for event in diary.read(path)} == {event.note for event in events}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 2"),
        ('{"ts": "2025-03-04", "kind": "party"}', "Invalid enum value 'party'"),
        ('{"ts": "yesterday", "kind": "note"}', "'yesterday' is no instant"),
        ('{"ts": "2025-03-04", "kind": "weight", "challenger_weight": 1.5}', "<= 1"),
        ('{"ts": "2025-03-04", "kind": "weight"}', "needs challenger_weight"),
        ('{"ts": "2025-03-04", "kind": "phase"}', "needs the phase's name"),
        ('{"ts": "2025-03-04", "kind": "note", "who": "me"}', "unknown field `who`"),
        ('{"ts": "2025-03-04", "kind": "incident", "end": "2025-03-03"}', "does not lie after"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"ts": "2025-03-01", "kind": "note"}\n' + line + "\n")
    with pytest.raises(ConfigError, match="line 2") as caught:
        diary.read(path)
    assert says in str(caught.value)


def test_an_event_that_contradicts_itself_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with pytest.raises(ConfigError):
        diary.append(path, Event("2025-03-04", "incident", end="2025-03-01"))
    assert not path.exists()


def test_questions() -> None:
    events = (
        Event("2025-03-01", "phase", phase="shadow", challenger_weight=0.0),
        Event("2025-03-03", "phase", phase="shadow"),
        Event("2025-03-04", "incident", end="2025-03-04T06"),
        Event("2025-03-05", "incident"),
        Event("2025-03-06", "phase", phase="canary", challenger_weight=0.01),
        Event("2025-03-07", "rollback", challenger_weight=0.0),
    )
    assert diary.phase_start(events, "shadow") == parse("2025-03-03")
    assert diary.phase_start(events, "ab") is None
    assert diary.incidents(events) == [
        (parse("2025-03-04"), parse("2025-03-04T06")),
        (parse("2025-03-05"), None),
    ]
    assert diary.weight_at(events, parse("2025-02-28")) is None
    assert diary.weight_at(events, parse("2025-03-06T12")) == 0.01
    assert diary.weight_at(events, parse("2025-03-08")) == 0.0
