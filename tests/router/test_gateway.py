"""The Gateway API adapter with a real gateway: Traefik reads the small cluster and serves by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
from cluster import endpointslice, httproute, meta
from kube import Cluster, running
from real import MODELS, Load

from analyzer.router import change
from analyzer.router.change import Controller
from analyzer.router.connect import controller_of
from analyzer.routing import RouterAt
from benchmarks.rollback_drill import routers

GATEWAY = "gateway.networking.k8s.io/v1"


def filled(cluster: Cluster, port: int, served: dict[str, int]) -> None:
    """A gateway on `port`, and a Service for each model server."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    cluster.put("namespaces", space)
    one = {"apiVersion": GATEWAY, "kind": "GatewayClass", "metadata": {"name": "traefik"}}
    cluster.put(
        "gatewayclasses", {**one, "spec": {"controllerName": "traefik.io/gateway-controller"}}
    )
    listener = {"name": "web", "protocol": "HTTP", "port": port}
    spec = {"gatewayClassName": "traefik", "listeners": [listener]}
    gateway = {"apiVersion": GATEWAY, "kind": "Gateway", "metadata": meta("web"), "spec": spec}
    cluster.put("gateways", gateway)
    for name, at in served.items():
        ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": at}]
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta(name)}
        cluster.put("services", {**service, "spec": {"ports": ports}})
        ports = [{"name": "http", "port": at, "protocol": "TCP"}]
        cluster.put("endpointslices", {**endpointslice(name, True), "ports": ports})
    route = httproute()
    route["spec"]["parentRefs"] = [{"name": "web"}]
    (rule, _) = route["spec"]["rules"]
    rule["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]  # the API's default
    route["spec"]["rules"] = [rule]
    cluster.put("httproutes", route)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[int, Cluster, Controller]]:
    """Traefik serving by the cluster's route, with the challenger at 5 %."""
    with running() as cluster, routers.models() as served:
        port, admin = routers.free_ports(2)
        filled(cluster, port, served)
        command = [
            routers.binary("traefik"),
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            f"--entrypoints.web.address=127.0.0.1:{port}",
            f"--entrypoints.traefik.address=127.0.0.1:{admin}",
            f"--providers.kubernetesgateway.endpoint={cluster.address}",
            "--providers.kubernetesgateway.token=none",
        ]
        process = routers.launch(command, tmp_path)
        try:
            until = time.monotonic() + 20
            while not answers(port) and time.monotonic() < until:
                time.sleep(0.05)
            at = {"kind": "gateway-api", "address": cluster.address, "backend": "shop/models"}
            found = msgspec.convert({**at, "champion": "v6", "challenger": "v7"}, RouterAt)
            yield port, cluster, controller_of(found, str(tmp_path), "flights", MODELS)
        finally:
            routers.end(process)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_traefik_serves_by_the_weights_and_says_so(
    gateway: tuple[int, Cluster, Controller],
) -> None:
    port, cluster, to = gateway
    live = to.adapter.read()
    assert live.ready == {"champion": True, "challenger": True}
    up = change.apply(
        to, "canary", 0.5, reason="a test", verdict="x", expires=time.time() + 600, live=live
    )
    assert up.outcome == "applied", up
    assert up.confirmed is not None
    assert up.confirmed[:2] == ("ok", "ok")  # Traefik's own word, for the new generation
    with Load(port) as load:
        time.sleep(0.5)
        since = time.monotonic()
        time.sleep(0.5)
        assert load.served(since)["v7"] > 0
        down = change.rollback(to, "a test")
        assert (down.outcome, down.done) == ("applied", True), down
        assert down.confirmed is not None
        assert down.confirmed.engine == "ok"
        until = time.monotonic() + 3  # a second change waits for the provider's throttle of 2 s
        while load.answers[-1:] and time.monotonic() < until:
            since = time.monotonic()
            time.sleep(0.3)
            if load.served(since)["v7"] == 0:
                break
        assert load.served(since)["v7"] == 0
        assert load.served(since)["v6"] > 0
    assert load.failed == []
    backends = cluster.get("httproutes", "models")["spec"]["rules"][0]["backendRefs"]
    assert [one["weight"] for one in backends] == [10_000, 0]
