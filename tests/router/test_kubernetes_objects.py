"""What is particular to each kind of Kubernetes object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import KINDS, control, meta
from kube import Cluster, running
from real import raised

from analyzer.router import change
from analyzer.router.adapter import Refused


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as found:
        for resource, made, *_ in KINDS.values():
            found.put(resource, made())
        yield found


def test_rules_that_disagree_or_name_an_arm_twice_are_refused(
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
    found["spec"]["rules"][0]["backendRefs"].append({"name": "v7", "port": 80, "weight": 0})
    cluster.put("httproutes", found)
    with pytest.raises(Refused, match="'v7' twice"):
        to.adapter.read()


def test_a_third_arm_stops_a_rise_and_keeps_its_own_in_a_rollback(
    cluster: Cluster, tmp_path: Path
) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    found = cluster.get("httproutes", "models")
    for rule in found["spec"]["rules"]:
        rule["backendRefs"].append({"name": "v8", "port": 80, "weight": 2500})
    cluster.put("httproutes", found)
    live = to.adapter.read()
    assert live.others == (
        "httproutes shop/models gives traffic to others as well: v8 (weight 2500)"
    )
    assert live.share == 0.04
    with pytest.raises(Refused, match=r"v8 .* cannot be set beside it"):
        raised(to, 0.05)
    report = change.rollback(to, "a test")
    assert (report.outcome, report.after) == ("applied", 0.0), report
    for rule in cluster.get("httproutes", "models")["spec"]["rules"]:
        assert [one["weight"] for one in rule["backendRefs"]] == [10_000, 0, 2500]


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", [None, "x", [], 7, ["x"], {"parents": "x", "rules": {}}])
def test_an_object_of_another_shape_is_refused_in_words(
    cluster: Cluster, kind: str, told: object, tmp_path: Path
) -> None:
    to = control(cluster, kind, tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.05)
    resource, made, *_ = KINDS[kind]
    found = made()
    for strange in ({"status": told}, {"status": {"parents": told, "conditions": told}}):
        cluster.put(resource, {**found, **strange})
        if kind != "kserve":  # whose status tells who the arms are
            assert to.adapter.engine(plan) == "not seen"
    for wanted in (told, {"rules": told, "http": told, "candidates": told, "predictor": told}):
        cluster.put(resource, {**found, "spec": wanted})
        if kind == "kserve":  # no percentage: the newest revision has all
            assert to.adapter.read().share == 1.0
            continue
        with pytest.raises(Refused, match="nothing splits between"):
            to.adapter.read()


def kserve_says(cluster: Cluster, **told: object) -> None:
    """Change the status of the predictor."""
    status = cluster.get("inferenceservices", "models")["status"]
    status["components"]["predictor"].update(told)
    cluster.status("inferenceservices", "models", status)


def test_kserve_is_asked_what_each_revision_gets(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "kserve", tmp_path)
    live = to.adapter.read()
    assert live.ready == {"champion": None, "challenger": True}
    plan = to.adapter.plan(live, 0.05)
    assert to.adapter.engine(plan) == "not seen"
    first, second = KINDS["kserve"][2:]
    now = [{"revisionName": second, "percent": 5}, {"revisionName": first, "percent": 95}]
    kserve_says(cluster, traffic=now)
    assert to.adapter.engine(plan) == "ok"
    kserve_says(cluster, traffic=[{"revisionName": first, "percent": 100}])
    assert to.adapter.engine(plan) == "no"
    kserve_says(cluster, latestReadyRevision=first)
    assert to.adapter.read().ready["challenger"] is False
    with pytest.raises(Refused, match="the challenger is not ready"):
        raised(to, 0.2)


def test_a_percentage_for_another_revision_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "kserve", tmp_path)
    first, second = KINDS["kserve"][2:]
    # the challenger once had everything: a rollback goes to the revision before it
    kserve_says(cluster, latestRolledoutRevision=second, previousRolledoutRevision=first)
    assert change.rollback(to, "a test").done
    kserve_says(cluster, previousRolledoutRevision="models-predictor-00000")
    with pytest.raises(Refused, match="not to the champion 'models-predictor-00001'"):
        to.adapter.read()
    kserve_says(cluster, latestCreatedRevision="models-predictor-00003")
    with pytest.raises(Refused, match="its newest revision is 'models-predictor-00003'"):
        to.adapter.read()
    found = cluster.get("inferenceservices", "models")
    del found["spec"]["predictor"]["canaryTrafficPercent"]
    cluster.put("inferenceservices", found)
    kserve_says(cluster, latestCreatedRevision=second, previousRolledoutRevision=first)
    assert to.adapter.read().share == 1.0  # no percentage: the newest has all


def test_seldon_tells_by_its_conditions(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "seldon", tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.05)
    assert to.adapter.read().ready == {"champion": None, "challenger": None}
    for name, status in (("v6", "False"), ("v7", "True")):
        model = {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Model", "metadata": meta(name)}
        conditions = [{"type": "ModelReady", "status": status}]
        cluster.put("models", {**model, "status": {"conditions": conditions}})
    assert to.adapter.read().ready == {"champion": False, "challenger": True}
    assert change.rollback(to, "a test").outcome == "refused"
    for status, expected in (("True", "not seen"), ("False", "no")):
        told = [{"type": "ExperimentReady", "status": status}]
        cluster.status("experiments", "models", {"conditions": told})
        assert to.adapter.engine(plan) == expected
