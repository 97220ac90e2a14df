"""The Kubernetes adapter against a small API server, with kubectl as a witness."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cluster import KINDS, endpointslice
from kube import Cluster, No, running
from real import MODELS

from analyzer.errors import ConfigError
from analyzer.router import audit, change
from analyzer.router.adapter import Ambiguous, Live, Refused, Rejected, Unreachable
from analyzer.router.change import Controller
from analyzer.router.connect import controller_of, described
from analyzer.router.watch import watch
from analyzer.routing import RouterAt
from benchmarks.rollback_drill.routers import binary

ALL = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as found:
        for resource, made, *_ in KINDS.values():
            found.put(resource, made())
        yield found


def control(cluster: Cluster, kind: str, folder: Path, **more: object) -> Controller:
    """A controller of the object of a kind, as `[router]` would make it."""
    _, _, champion, challenger = KINDS[kind]
    settings = {
        "kind": kind,
        "address": cluster.address,
        "backend": "shop/models",
        "champion": champion,
        "challenger": challenger,
    }
    at = msgspec.convert({**settings, **more}, RouterAt)
    to = controller_of(at, str(folder), "flights", MODELS)
    return dataclasses.replace(to, down_seconds=1.0, confirm_seconds=0.5)


def raised(to: Controller, share: float, live: Live | None = None) -> change.Report:
    return change.apply(
        to,
        "canary",
        share,
        reason="a test",
        verdict=f"{share:016g}",
        expires=time.time() + 600,
        live=live or to.adapter.read(),
    )


def weights(cluster: Cluster, kind: str) -> list[object]:
    """Every weight that stands in the object, in order; None where none does."""
    spec = cluster.get(KINDS[kind][0], "models")["spec"]
    lists = [r["backendRefs"] for r in spec.get("rules", [])]
    lists += [r["route"] for r in spec.get("http", [])]
    return [entry.get("weight") for entries in lists for entry in entries]


@ALL
def test_read_raise_roll_back(cluster: Cluster, kind: str, tmp_path: Path) -> None:
    to = control(cluster, kind, tmp_path)
    assert abs(to.adapter.read().share - 0.05) < 1e-9
    up = raised(to, 0.5)
    assert (up.outcome, up.before, up.after, up.done) == ("applied", 0.05, 0.5, True), up
    down = change.rollback(to, "a test")
    assert (down.outcome, down.after, down.done) == ("applied", 0.0, True), down
    told = weights(cluster, kind)
    assert told[1::2] == [0] * (len(told) // 2)  # a zero is written, never left out
    assert all(isinstance(w, int) and w > 0 for w in told[::2])
    assert change.rollback(to, "a test").outcome == "no-op"
    for ops in cluster.patches:
        assert ops[0]["path"] == "/metadata/resourceVersion"
        assert {op["op"] for op in ops if op["path"].endswith("weight")} == {"add"}
        assert len([op for op in ops if op["path"].endswith("weight")]) == len(told)
    assert audit.read(to.log).faults == ()


@ALL
def test_another_writer_is_a_conflict_and_a_status_is_none(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    to = control(cluster, kind, tmp_path)
    resource = KINDS[kind][0]
    live = to.adapter.read()
    plan = to.adapter.plan(live, 0.2)
    cluster.status(resource, "models", {"told": "a controller writes its status"})
    busy = iter([1, 2])
    cluster.before_patch = lambda: (
        next(busy, 0)
        and cluster.status(  # type: ignore[func-returns-value]
            resource, "models", {"told": time.monotonic_ns()}
        )
    )
    assert to.adapter.apply(plan, live.version) == "applied"  # the status is not what is wanted
    assert abs(to.adapter.read().share - 0.2) < 1e-9
    assert len(cluster.patches) == 3  # two answered 409
    assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"

    live = to.adapter.read()
    other = KINDS[kind][1]()
    cluster.before_patch = lambda: cluster.put(resource, other) and None
    assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"
    assert abs(to.adapter.read().share - 0.05) < 1e-9


@ALL
def test_gitops_puts_its_weights_back_and_watch_lowers_them_again(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    resource, made, *_ = KINDS[kind]
    kept = made()
    kept["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "shop"}
    cluster.put(resource, kept)
    to = control(cluster, kind, tmp_path)
    assert any("Argo CD keeps this object" in note for note in to.adapter.read().notes)
    assert change.rollback(to, "a test").done
    cluster.put(resource, kept)
    seen = watch(to)
    assert seen.share is not None
    assert abs(seen.share - 0.05) < 1e-9
    assert seen.report is not None
    assert seen.report.done
    assert to.adapter.read().share == 0.0


@ALL
def test_what_is_refused(cluster: Cluster, kind: str, tmp_path: Path) -> None:
    to = control(cluster, kind, tmp_path)
    live = to.adapter.read()
    with pytest.raises(Refused, match="cannot give the challenger"):
        to.adapter.plan(live, 0.00001)
    with pytest.raises(Refused, match="nothing splits between"):
        control(cluster, kind, tmp_path, challenger="models/v8").adapter.read()
    with pytest.raises(Refused, match=r"there is no .* shop/nobody"):
        control(cluster, kind, tmp_path, backend="shop/nobody").adapter.read()
    wrong = dict.fromkeys(live.weights, -1.0)
    with pytest.raises(Rejected, match=r"422.*Invalid value"):
        to.adapter.apply(to.adapter.plan(live, 0.2)._replace(weights=wrong), live.version)
    for wrongly in (None, "5", -1, True):
        resource, made, *_ = KINDS[kind]
        found = made()
        spec = found["spec"]
        entries = spec["rules"][0]["backendRefs"] if "rules" in spec else spec["http"][0]["route"]
        entries[1]["weight"] = wrongly
        cluster.put(resource, found)
        with pytest.raises(Refused, match="reads"):
            to.adapter.read()


def test_rules_that_disagree_or_split_three_ways_are_refused(
    cluster: Cluster, tmp_path: Path
) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    found = cluster.get("httproutes", "models")
    found["spec"]["rules"][1]["backendRefs"][1]["weight"] = 100
    cluster.put("httproutes", found)
    with pytest.raises(Refused, match="split differently"):
        to.adapter.read()
    found["spec"]["rules"][1]["backendRefs"] = [{"name": "v7", "port": 80}]
    cluster.put("httproutes", found)
    notes = to.adapter.read().notes
    assert notes == ("/spec/rules/1/backendRefs names v7 alone: its share is not counted",)
    found["spec"]["rules"][0]["backendRefs"].append({"name": "v8", "port": 80, "weight": 0})
    cluster.put("httproutes", found)
    with pytest.raises(Refused, match="'v8' as well"):
        to.adapter.read()


def test_a_weight_that_is_left_out_is_1_in_a_route_and_0_in_istio(
    cluster: Cluster, tmp_path: Path
) -> None:
    for kind, places in (("gateway-api", ("rules", "backendRefs")), ("istio", ("http", "route"))):
        found = KINDS[kind][1]()
        for rule in found["spec"][places[0]]:
            del rule[places[1]][1]["weight"]
        cluster.put(KINDS[kind][0], found)
    route = control(cluster, "gateway-api", tmp_path).adapter.read()
    assert route.weights == {"champion": 9500.0, "challenger": 1.0}
    assert control(cluster, "istio", tmp_path).adapter.read().share == 0.0


def test_all_zero_is_an_outage_that_a_rollback_ends(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.get("httproutes", "models")
    for rule in found["spec"]["rules"]:
        for entry in rule["backendRefs"]:
            entry["weight"] = 0
    cluster.put("httproutes", found)
    to = control(cluster, "gateway-api", tmp_path)
    assert to.adapter.read().notes == ("all weights are 0: nobody is served",)
    assert change.rollback(to, "a test").outcome == "applied"
    assert weights(cluster, "gateway-api") == [10_000, 0] * 2


def test_the_gateway_is_asked_whether_it_took_the_route(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.05)
    assert to.adapter.engine(plan) == "not seen"

    def told(generation: int, accepted: str = "True") -> None:
        one = {"status": "True", "observedGeneration": generation}
        conditions = [{**one, "type": "Accepted", "status": accepted}]
        conditions += [{**one, "type": "ResolvedRefs"}]
        cluster.status("httproutes", "models", {"parents": [{"conditions": conditions}]})

    told(1)
    assert to.adapter.engine(plan) == "ok"
    told(1, accepted="False")
    assert to.adapter.engine(plan) == "no"
    told(0)
    assert to.adapter.engine(plan) == "no"  # what it accepted is an older generation
    up = raised(to, 0.2)
    assert (up.outcome, up.done) == ("ambiguous", False), up
    assert up.confirmed is not None
    assert up.confirmed[:2] == ("ok", "no")
    assert abs(to.adapter.read().share - 0.05) < 1e-9  # what is not confirmed is taken back


def test_istio_is_believed_for_the_generation_that_it_saw(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "istio", tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.05)
    ready = {"type": "Reconciled", "status": "True"}
    for status, expected in (
        ({}, "not seen"),
        ({"conditions": [ready]}, "not seen"),
        ({"conditions": [ready], "observedGeneration": "1"}, "ok"),
        ({"conditions": [ready], "observedGeneration": "0"}, "no"),
        ({"conditions": [{**ready, "status": "False"}], "observedGeneration": "1"}, "no"),
        ({"validationMessages": [{"level": "ERROR"}]}, "no"),
    ):
        cluster.status("virtualservices", "models", status)
        assert to.adapter.engine(plan) == expected, status


def test_no_rollback_onto_a_champion_without_endpoints(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    assert to.adapter.read().ready == {"champion": None, "challenger": None}
    cluster.put("endpointslices", endpointslice("v6", ready=False))
    cluster.put("endpointslices", endpointslice("v7", ready=True))
    assert to.adapter.read().ready == {"champion": False, "challenger": True}
    assert change.rollback(to, "a test").outcome == "refused"
    assert change.rollback(to, "a test", force=True).outcome == "applied"


def test_a_rise_is_tried_by_the_server_first_and_a_fall_never_waits(
    cluster: Cluster, tmp_path: Path
) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    report = change.apply(
        to,
        "canary",
        0.2,
        reason="a test",
        verdict="x",
        expires=time.time() + 600,
        live=to.adapter.read(),
        dry_run=True,
    )
    assert report.dry_run
    assert cluster.patches == []
    assert any("dryRun=All" in line for line in cluster.asked)
    assert abs(to.adapter.read().share - 0.05) < 1e-9
    cluster.asked.clear()
    assert change.rollback(to, "a test").done
    assert not any("dryRun" in line for line in cluster.asked)


def test_an_answer_that_is_lost_is_read_again(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    live = to.adapter.read()
    plan = to.adapter.plan(live, 0.0)

    def lost() -> None:
        raise ConnectionAbortedError

    cluster.after_patch = lost
    with pytest.raises(Ambiguous):
        to.adapter.apply(plan, live.version)
    cluster.put("httproutes", KINDS["gateway-api"][1]())
    report = change.rollback(to, "a test")
    assert report.done
    assert to.adapter.read().share == 0.0


@pytest.mark.parametrize(
    ("code", "expected"), [(500, Ambiguous), (504, Ambiguous), (403, Rejected), (422, Rejected)]
)
def test_what_the_server_says_no_with(
    cluster: Cluster, tmp_path: Path, code: int, expected: type[Exception]
) -> None:
    to = control(cluster, "istio", tmp_path)
    live = to.adapter.read()

    def no() -> None:
        raise No(code, "Why", "the server's own words")

    cluster.before_patch = no
    with pytest.raises(expected, match=f"{code}.*the server's own words"):
        to.adapter.apply(to.adapter.plan(live, 0.0), live.version)


def test_a_server_that_is_busy_or_gone(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "istio", tmp_path)
    live = to.adapter.read()

    def busy() -> None:
        raise No(429, "TooManyRequests", "later")

    cluster.before_patch = busy
    assert to.adapter.apply(to.adapter.plan(live, 0.0), live.version) == "busy"
    with running() as gone:
        away = control(gone, "istio", tmp_path)
    with pytest.raises(Unreachable):
        away.adapter.read()
    assert change.rollback(away, "a test").outcome == "unreachable"


def test_the_token_is_read_again_for_each_request(cluster: Cluster, tmp_path: Path) -> None:
    cluster.token = "first"
    (tmp_path / "token").write_text("first\n")
    to = control(cluster, "istio", tmp_path, token_file="token")
    assert to.adapter.read().share > 0
    cluster.token = "rotated"
    with pytest.raises(Rejected, match="401"):
        to.adapter.read()
    (tmp_path / "token").write_text("rotated\n")
    assert to.adapter.read().share > 0
    (tmp_path / "token").unlink()
    with pytest.raises(Unreachable, match="token: cannot be read"):
        to.adapter.read()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('backend = "models"', "is no namespace/name"),
        ('backend = "shop/../secrets"', "is no namespace/name"),
        ('token_file = "token"', "address must be https://"),
        ('ca_file = "ca.crt"', "means nothing where address is http://"),
        ('address = "kubernetes.default.svc"', "address must be a URL"),
        ('address = ""', "needs `address`"),
        ('path = "models.yml"', "`path` means nothing"),
        ("total = 50", "`total` means nothing"),
    ],
)
def test_a_router_that_cannot_be_meant(tmp_path: Path, line: str, why: str) -> None:
    lines = {
        "kind": '"istio"',
        "address": '"http://cluster:8001"',
        "backend": '"shop/models"',
        line.split(" ")[0]: line.split(" = ")[1],
    }
    file = tmp_path / "rollout.toml"
    file.write_text("[router]\n" + "\n".join(f"{k} = {v}" for k, v in lines.items()))
    with pytest.raises(ConfigError, match=why):
        described(file)


@ALL
def test_kubectl_reads_the_same_and_can_carry_out_the_plan(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    to = control(cluster, kind, tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.2)
    kubectl(cluster, tmp_path, shlex.split(plan.commands[0])[1:])
    assert abs(to.adapter.read().share - 0.2) < 1e-9
    live = to.adapter.read()
    assert to.adapter.apply(to.adapter.plan(live, 0.0), live.version) == "applied"
    resource = f"{KINDS[kind][0]}.{to.adapter.split.group}"  # type: ignore[attr-defined]
    seen = json.loads(
        kubectl(cluster, tmp_path, ["-n", "shop", "get", resource, "models", "-o", "json"])
    )
    assert seen["spec"] == cluster.get(KINDS[kind][0], "models")["spec"]
    assert seen["metadata"]["generation"] == 3


def kubectl(cluster: Cluster, folder: Path, arguments: list[str]) -> str:
    """What kubectl says, with no configuration but the server's address."""
    done = subprocess.run(
        [binary("kubectl"), f"--server={cluster.address}", *arguments],
        env={"HOME": str(folder), "KUBECONFIG": str(folder / "none")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
