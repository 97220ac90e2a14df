"""Every adapter against its real router: read, raise, roll back, believe."""

from __future__ import annotations

import dataclasses
import doctest
import json
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from real import Load, controller, raised, started

from analyzer.router import audit, change, haproxy
from analyzer.router.adapter import Refused, Rejected, Unreachable
from analyzer.router.confirm import confirm
from analyzer.router.document import further
from analyzer.router.watch import watch
from benchmarks.rollback_drill import routers
from benchmarks.rollback_drill.routers import Files

KINDS: dict[str, Files] = {
    "haproxy": routers.haproxy(),
    "envoy": routers.envoy(),
    "envoy-runtime": routers.envoy(runtime=True),
    "traefik": routers.traefik(),
}


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, int]]:
    with routers.models() as ports:
        yield ports


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_router_is_read_raised_and_rolled_back(
    kind: str, tmp_path: Path, served: dict[str, int]
) -> None:
    with started(KINDS[kind], tmp_path, served) as (router, to):
        assert abs(to.adapter.read().share - 0.05) < 1e-9
        up = raised(to, 0.5)
        assert (up.outcome, up.before, up.after) == ("applied", 0.05, 0.5), up
        assert up.confirmed is not None
        assert up.confirmed[:2] == ("ok", "ok"), up
        with Load(router.port) as load:
            time.sleep(0.3)
            assert load.served()["v7"] > 0
            down = change.rollback(to, "a test")
            assert down.outcome == "applied", down
            assert down.confirmed is not None, down
            assert down.confirmed[:3] == ("ok", "ok", "ok"), down
            assert down.timings["confirmed"] < 10
            after = time.monotonic()
            time.sleep(0.4)
            assert load.served(after)["v7"] == 0
            assert load.served(after)["v6"] > 0
            again = change.rollback(to, "a test")
            assert again.outcome == "no-op"
            assert again.done
        assert load.failed == []
    trail = audit.read(to.log)
    assert trail.faults == ()
    assert trail.unfinished == []
    assert [r["kind"] for r in trail.records] == ["intent", "outcome"] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_arms_and_a_router_that_changed_meanwhile(
    kind: str, tmp_path: Path, served: dict[str, int]
) -> None:
    with started(KINDS[kind], tmp_path, served) as (router, to):
        unknown = controller(router, challenger="v8", folder="unknown")
        with pytest.raises(Refused, match="v8"):
            unknown.adapter.read()
        report = change.rollback(unknown, "a test")
        assert report.outcome == "refused"
        assert not report.done
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.2)
        assert to.adapter.apply(plan, live.version) == "applied"
        assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"
        other = controller(router)
        assert abs(other.adapter.read().share - 0.2) < 1e-9
        late = change.apply(
            other, "canary", 0.6, reason="", verdict="x", expires=time.time() + 9, live=live
        )
        assert late.outcome == "conflict"
        assert abs(other.adapter.read().share - 0.2) < 1e-9
        assert other.in_force() is None


@pytest.mark.parametrize("kind", KINDS)
def test_all_zero_is_not_0_percent(kind: str, tmp_path: Path, served: dict[str, int]) -> None:
    with started(KINDS[kind], tmp_path, served, idle=True) as (router, to):
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.0)
        zero = plan._replace(weights={"champion": 0.0, "challenger": 0.0})
        lines = [line.replace(f" {plan.weights['champion']:.0f}", " 0") for line in plan.commands]
        lines = [line.replace("=10000", "=0") for line in lines]
        assert to.adapter.apply(zero._replace(commands=tuple(lines)), live.version) == "applied"
        live = to.adapter.read()
        assert (live.nobody, live.off) == (True, False)
        assert not confirm(to.adapter, plan, 0.2).ok
        with pytest.raises(Refused, match="all weights are 0"):
            raised(to, 0.05)
        assert any("all weights are 0" in alarm for alarm in watch(to).alarms)
        report = change.rollback(to, "a test")
        assert (report.outcome, report.done) == ("applied", True), report
        with Load(router.port, clients=2) as load:
            time.sleep(0.3)
        assert load.failed == []
        assert load.served()["v7"] == 0


def test_haproxy_with_further_servers_goes_down_only(
    tmp_path: Path, served: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    further = "".join(
        f"  server {name} 127.0.0.1:{{v6}} weight 100 {how}\n"
        for name, how in (("v8", ""), ("v9", "backup"), ("v10", "disabled"))
    )
    monkeypatch.setattr(routers, "HAPROXY", routers.HAPROXY + further)
    with started(routers.haproxy(), tmp_path, served, idle=True) as (_, to):
        live = to.adapter.read()
        assert live.others == "models has further servers that take traffic: v8 (weight 100)"
        assert live.share == 0.025
        with pytest.raises(Refused, match=r"v8 .* cannot be set beside it"):
            raised(to, 0.05)
        report = change.rollback(to, "a test")
        assert (report.outcome, report.done) == ("applied", True), report


def with_a_third(files: Files) -> Files:
    """The same router, where v8 gets a fifth of the traffic as well."""

    def third(content: object) -> None:
        parts = content.values() if isinstance(content, dict) else content
        for part in parts if isinstance(parts, Iterable) and not isinstance(parts, str) else ():
            third(part)
        if isinstance(content, list) and {"name": "v7", "weight": 500} in content:
            content.append({"name": "v8", "weight": 2500})

    def made(
        folder: Path, port: int, admin: int, served: dict[str, int]
    ) -> tuple[list[str], dict[str, object]]:
        found = files(folder, port, admin, {**served, "v8": served["v6"]})
        for file in (folder / "routes.json", folder / "dynamic" / "models.yml"):
            if file.exists():
                content = json.loads(file.read_text(encoding="utf-8"))
                third(content)
                file.write_text(json.dumps(content), encoding="utf-8")
        return found

    return made


@pytest.mark.parametrize("kind", ["envoy", "envoy-runtime", "traefik"])
def test_a_third_arm_stops_a_rise_and_keeps_its_own_in_a_rollback(
    kind: str, tmp_path: Path, served: dict[str, int]
) -> None:
    with started(with_a_third(KINDS[kind]), tmp_path, served, idle=True) as (_, to):
        live = to.adapter.read()
        assert live.others.endswith("gives traffic to others as well: v8 (weight 2500)")
        assert live.share == 0.04
        with pytest.raises(Refused, match=r"v8 .* cannot be set beside it"):
            raised(to, 0.05)
        report = change.rollback(to, "a test")
        assert (report.outcome, report.done) == ("applied", True), report
        assert report.confirmed is not None
        assert report.confirmed[:2] == ("ok", "ok"), report
        live = to.adapter.read()
        assert live.weights == {"champion": 10_000, "challenger": 0}
        assert "v8 (weight 2500)" in live.others


@pytest.mark.parametrize("weight", ["many", -1, True, None])
def test_a_third_weight_that_is_none_is_refused(weight: object) -> None:
    named = {"v6": {"weight": 95}, "v7": {"weight": 5}, "v8": {"weight": weight}}
    with pytest.raises(Refused, match=f"routes.json: the weight of v8 reads {weight!r}"):
        further("routes.json", [named], {"champion": "v6", "challenger": "v7"}, absent=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_that_is_gone_is_unreachable(
    kind: str, tmp_path: Path, served: dict[str, int]
) -> None:
    with started(KINDS[kind], tmp_path, served) as (router, to):
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.2)
        router.stop()
        to = dataclasses.replace(to, down_seconds=0.5, confirm_seconds=0.5)
        report = change.rollback(to, "a test")
        if kind in ("traefik", "envoy"):  # the file can be written, and is what a restart reads
            assert (report.outcome, report.after) == ("applied", 0.0)
            assert report.confirmed is not None
            assert report.confirmed[:2] == ("ok", "not seen")
            assert not report.done
            with pytest.raises(Refused, match="does not answer"):
                raised(to, 0.2)
            return
        assert report.outcome == "unreachable"
        assert not report.done
        assert audit.read(to.log).records[-1]["outcome"] == "unreachable"
        with pytest.raises(Unreachable):
            to.adapter.apply(plan, live.version)


def test_haproxy_says_no_in_words(tmp_path: Path, served: dict[str, int]) -> None:
    with started(routers.haproxy(), tmp_path, served) as (_, to):
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.2)
        wrong = plan._replace(commands=("set server models/v9 weight 3",))
        with pytest.raises(Rejected, match="No such server"):
            to.adapter.apply(wrong, live.version)
        wrong = plan._replace(commands=("set server models/v7 weight 300",))
        with pytest.raises(Rejected, match="between 0 and 256"):
            to.adapter.apply(wrong, live.version)
        with pytest.raises(Refused, match=r"cannot give the challenger 0\.1000%"):
            to.adapter.plan(live, 0.001)


def test_haproxy_gets_the_smallest_weights_so_that_its_turns_are_short(
    tmp_path: Path, served: dict[str, int]
) -> None:
    assert doctest.testmod(haproxy).failed == 0
    with started(routers.haproxy(), tmp_path, served) as (router, to):
        for cycle in range(13):  # with weights of 95:5, 80:20, 50:50 the 9th gives all to v7
            for share in (0.05, 0.2, 0.5, 0.0):
                live = to.adapter.read()
                assert to.adapter.apply(to.adapter.plan(live, share), live.version) == "applied"
                connection = HTTPConnection("127.0.0.1", router.port, timeout=5)
                answers = []
                for _ in range(60 + cycle * 7 % 60):
                    connection.request("GET", "/")
                    answers.append(connection.getresponse().read())
                connection.close()
                assert abs(answers.count(b"v7") - len(answers) * share) <= 8, (cycle, share)


def test_haproxy_keeps_its_weights_over_a_restart(tmp_path: Path, served: dict[str, int]) -> None:
    with started(routers.haproxy(), tmp_path, served, idle=True) as (router, to):
        assert change.rollback(to, "a test").outcome == "applied"
        router.stop()
        router.start()
        live = controller(router).adapter.read()
        assert live.share == 0.0
        assert live.weights["challenger"] == 0.0
        assert raised(controller(router), 0.1).outcome == "applied"  # out of maintenance again
        with Load(router.port, clients=20) as load:
            time.sleep(0.5)
        assert load.failed == []


def test_haproxy_with_a_static_algorithm_takes_all_or_nothing(
    tmp_path: Path, served: dict[str, int]
) -> None:
    with started(routers.haproxy(balance="static-rr"), tmp_path, served, idle=True) as (_, to):
        with pytest.raises(Refused, match="static-rr, which takes only 0 % and 100 %"):
            raised(to, 0.1)
        assert change.rollback(to, "a test").outcome == "applied"


@pytest.mark.parametrize("kill", [True, False])
def test_haproxy_tcp_connections_move_only_when_sessions_may_be_cut(
    tmp_path: Path, served: dict[str, int], kill: bool
) -> None:
    files = routers.haproxy("tcp")
    with started(files, tmp_path, served, kill_sessions=kill) as (router, to):
        raised(to, 0.5)
        with Load(router.port, clients=10) as load:
            time.sleep(0.3)
            assert load.served()["v7"] > 0
            to = dataclasses.replace(to, confirm_seconds=6.0 if kill else 3.5)
            report = change.rollback(to, "a test")
            since = time.monotonic()
            time.sleep(0.3)
            still = load.served(since)["v7"]
        assert report.confirmed is not None
        if kill:
            assert any("shutdown sessions" in line for line in report.commands)
            assert (still, report.confirmed.traffic, report.done) == (0, "ok", True), report
        else:
            assert still > 0
            assert (report.confirmed.traffic, report.done) == ("no", False), report


def test_a_rollback_onto_a_champion_that_is_down_is_refused_unless_insisted(
    tmp_path: Path, served: dict[str, int]
) -> None:
    nobody = {**served, "v6": routers.free_ports(1)[0]}
    with started(routers.haproxy(), tmp_path, nobody, idle=True) as (_, to):
        until = time.monotonic() + 5
        while to.adapter.read().ready["champion"] and time.monotonic() < until:
            time.sleep(0.05)
        report = change.rollback(to, "a test")
        assert (report.outcome, report.done) == ("refused", False)
        assert "would be an outage" in report.notes[0]
        assert change.rollback(to, "a test", force=True).outcome == "applied"


def test_envoy_refuses_a_bad_file_and_keeps_the_old_routes(
    tmp_path: Path, served: dict[str, int]
) -> None:
    with started(routers.envoy(), tmp_path, served) as (router, to):
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.2)
        path = Path(str(router.settings["path"]))
        path.with_suffix(".new").write_text(path.read_text().replace('"/"', "7"))
        path.with_suffix(".new").replace(path)
        time.sleep(0.3)
        assert to.adapter.apply(plan, to.adapter.read().version) == "applied"
        time.sleep(0.3)
        assert to.adapter.engine(plan) == "no"


def test_envoy_runtime_is_not_believed_for_its_200(tmp_path: Path, served: dict[str, int]) -> None:
    with started(routers.envoy(runtime=True), tmp_path, served) as (_, to):
        live = to.adapter.read()
        plan = to.adapter.plan(live, 0.2)
        ignored = plan._replace(commands=(plan.commands[0].replace("models.", "modles."),))
        assert to.adapter.apply(ignored, live.version) == "applied"
        assert to.adapter.engine(plan) == "no"
        assert abs(to.adapter.read().share - 0.05) < 1e-9
