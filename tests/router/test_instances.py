"""Several instances of one router: all or none go up, whatever answers goes down."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from real import MODELS, Load, controller, raised, started

from analyzer.cli import run
from analyzer.errors import ConfigError
from analyzer.router import audit, change
from analyzer.router.adapter import Adapter, Outcome, Plan, Refused, Rejected, Unreachable
from analyzer.router.connect import controller_of, described
from analyzer.router.controller import Controller
from analyzer.router.decision_file import DecisionFile
from analyzer.router.document import Document
from analyzer.router.instances import Instances
from analyzer.router.watch import watch
from analyzer.routing import RouterAt
from benchmarks.rollback_drill import routers
from benchmarks.rollback_drill.routers import Files, Running

NAMES = ("one", "two")


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, int]]:
    with routers.models() as ports:
        yield ports


@contextlib.contextmanager
def pair(
    files: Files, folder: Path, served: dict[str, int]
) -> Iterator[tuple[list[Running], Controller]]:
    """Two real routers with the challenger at 5 %, and the controller of both."""
    with ExitStack() as stack:
        both = [stack.enter_context(started(files, folder / n, served))[0] for n in NAMES]
        kept = ("address", "path", "state_file")
        each = [
            {"name": name, **{k: v for k, v in one.settings.items() if k in kept}}
            for name, one in zip(NAMES, both, strict=True)
        ]
        shared = {k: v for k, v in both[0].settings.items() if k not in kept}
        settings = msgspec.convert({**shared, "instances": each}, RouterAt)
        made = controller_of(settings, str(folder), "flights", MODELS)
        yield both, dataclasses.replace(made, quiet_seconds=0.2, down_seconds=1.0)


@pytest.mark.parametrize("files", [routers.haproxy(), routers.envoy()], ids=["haproxy", "envoy"])
def test_all_are_raised_lowered_and_confirmed(
    files: Files, tmp_path: Path, served: dict[str, int]
) -> None:
    with pair(files, tmp_path, served) as (both, to):
        up = raised(to, 0.2)
        assert (up.outcome, up.before, up.after, up.done) == ("applied", 0.05, 0.2, True), up
        assert [controller(one).adapter.read().share for one in both] == [0.2, 0.2]
        assert {line.partition(":")[0] for line in up.commands} == set(NAMES)
        with Load(both[0].port, clients=4), Load(both[1].port, clients=4) as load:
            time.sleep(0.2)
            down = change.rollback(dataclasses.replace(to, quiet_seconds=5.0), "a test")
            assert down.confirmed is not None
            assert down.confirmed[:3] == ("ok", "ok", "ok"), down
            after = time.monotonic()
            time.sleep(0.2)
            assert load.served(after)["v7"] == 0
        assert change.rollback(to, "a test").outcome == "no-op"


def test_one_that_is_gone_holds_no_rollback_up_and_shows_in_the_exit_code(
    tmp_path: Path, served: dict[str, int]
) -> None:
    with pair(routers.haproxy(), tmp_path, served) as (both, to):
        both[0].stop()
        with pytest.raises(Refused, match="one cannot be read"):
            raised(to, 0.2)
        began = time.monotonic()
        report = change.rollback(to, "a test")
        assert time.monotonic() - began < 5
        assert (report.outcome, report.after, report.done) == ("unreachable", None, False), report
        assert any(note.startswith("one: ") for note in report.notes), report
        assert any("two has the wanted weights" in note for note in report.notes), report
        assert controller(both[1]).adapter.read().share == 0
        assert audit.read(to.log).records[-1]["outcome"] == "unreachable"
        seen = watch(to)
        assert (seen.share, seen.report) == (None, None)
        assert any("one cannot be read" in alarm for alarm in seen.alarms)
        Path(str(both[0].settings["state_file"])).unlink(missing_ok=True)
        both[0].start()  # with its configured weights, as after a restart
        assert to.adapter.read().share == 0.05
        seen = watch(to)
        assert seen.report is not None
        assert seen.report.done, seen.report
        assert to.adapter.read().off


def test_a_rise_that_one_does_not_take_is_taken_back_from_all(
    tmp_path: Path, served: dict[str, int]
) -> None:
    with pair(routers.haproxy(), tmp_path, served) as (both, to):
        adapters: dict[str, Adapter] = dict(to.adapter.adapters)  # type: ignore[attr-defined]
        second = adapters["two"]
        adapters["two"] = Stubborn(second)
        report = raised(dataclasses.replace(to, adapter=Instances(adapters)), 0.2)
        assert (report.outcome, report.done) == ("rejected", False), report
        assert any("two: no; one has the wanted weights" in note for note in report.notes), report
        assert [controller(one).adapter.read().share for one in both] == [0.05, 0.05]
        assert to.in_force() is None
        live = second.read()
        assert second.apply(second.plan(live, 0.01), live.version) == "applied"
        with pytest.raises(Refused, match=r"differ in the challenger's share: one 5\.00%, two 1"):
            raised(to, 0.2)


class Stubborn:
    """An adapter that takes no rise."""

    def __init__(self, inner: Adapter) -> None:
        self.inner, self.name = inner, inner.name

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def apply(self, plan: Plan, expect: str) -> Outcome:
        if plan.share > 0.1:
            raise Rejected("no")
        return self.inner.apply(plan, expect)


def both_files(folder: Path, first: tuple[int, int], second: tuple[int, int]) -> Controller:
    """Two files with a weight for each arm."""
    arms = {"champion": "/champion", "challenger": "/challenger"}
    adapters = {}
    for name, weights in zip(NAMES, (first, second), strict=True):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(dict(zip(arms, weights, strict=True))))
        adapters[name] = Document(str(path), arms)
    return Controller(Instances(adapters), folder / "own", "flights", MODELS, down_seconds=0.5)


def weights(folder: Path) -> list[tuple[int, int]]:
    return [tuple(json.loads((folder / f"{n}.json").read_text()).values()) for n in NAMES]  # type: ignore[misc]


def test_a_fall_never_raises_an_instance_that_is_lower(tmp_path: Path) -> None:
    to = both_files(tmp_path, (80, 20), (100, 0))
    assert change.lower(to, 0.05, "a test").done
    assert weights(tmp_path) == [(95, 5), (100, 0)]


def test_all_zero_in_one_of_them_is_mended_by_a_rollback(tmp_path: Path) -> None:
    to = both_files(tmp_path, (100, 0), (0, 0))
    with pytest.raises(Refused, match="all weights are 0"):
        raised(to, 0.05)
    assert change.rollback(to, "a test").done
    assert weights(tmp_path) == [(100, 0), (100, 0)]


def test_one_that_cannot_be_read_is_left_and_named(tmp_path: Path) -> None:
    to = both_files(tmp_path, (80, 20), (80, 20))
    (tmp_path / "two.json").write_text("{}")
    report = change.rollback(to, "a test")
    assert not report.done
    assert any("two: " in note and "nothing at /champion" in note for note in report.notes), report
    assert json.loads((tmp_path / "one.json").read_text())["challenger"] == 0
    (tmp_path / "one.json").unlink()
    with pytest.raises(Unreachable, match=r"one: .*two: "):
        to.adapter.read()


def test_services_that_read_their_own_copy_of_the_decision(tmp_path: Path) -> None:
    paths = {name: tmp_path / name / "decision.json" for name in NAMES}
    for path in paths.values():
        path.parent.mkdir()
    adapters = {name: DecisionFile(str(path)) for name, path in paths.items()}
    to = Controller(Instances(adapters), tmp_path / "own", "flights", MODELS)
    assert raised(to, 0.05).done
    assert [one.read().share for one in adapters.values()] == [0.05, 0.05]
    assert change.rollback(to, "a test").done
    assert to.adapter.read().off


TOML = """
[router]
kind = "haproxy"
backend = "models"
"""


@pytest.mark.parametrize(
    ("instances", "says"),
    [
        ('[{name = "a"}]', "instance a: kind = .* needs `address`"),
        ('[{address = "/a"}, {address = "/a"}]', "needs a name, an address"),
        ('[{name = "a", address = "/a"}, {name = "b", address = "/a"}]', "the same `address`"),
        ('[{address = "/a"}, {address = "/b"}]\nstate_file = "s"', "the same `state_file`"),
        ('[{address = "/a", path = "x"}]', "`path` means nothing"),
        ('[{address = "/a", weight = 1}]', "unknown field `weight`"),
        ("[{}]", "needs a name"),
    ],
)
def test_instances_that_cannot_be_meant(tmp_path: Path, instances: str, says: str) -> None:
    (tmp_path / "rollout.toml").write_text(f"{TOML}instances = {instances}\n")
    with pytest.raises(ConfigError, match=says):
        described(tmp_path / "rollout.toml")


def test_show_and_rollback_at_the_command_line(
    tmp_path: Path,
    served: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pair(routers.haproxy(), tmp_path, served) as (both, _):
        each = ", ".join(f'{{address = "{one.settings["address"]}"}}' for one in both)
        arms = 'champion = "v6"\nchallenger = "v7"'
        Path("rollout.toml").write_text(f"{TOML}{arms}\ninstances = [{each}]\n")
        assert run(["route", "show"]) == 0
        shown = capsys.readouterr().out
        assert "2 instances of haproxy: the challenger gets 5.00%" in shown
        assert shown.count("champion") >= 2
        assert run(["route", "show", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["live"]["parts"]) == 2
        assert run(["route", "rollback"]) == 0
        assert [controller(one).adapter.read().share for one in both] == [0, 0]
