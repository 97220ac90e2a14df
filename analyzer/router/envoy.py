"""Envoy: routes from a file by atomic rename, or weights in its runtime through the admin port.

The file survives a restart and a bad one is rejected; the runtime is lost with the process. The
admin port answers 200 to values that it ignores, so both are believed only when `/config_dump` or
`/runtime` say so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from analyzer.router.adapter import (
    Counts,
    Live,
    Outcome,
    Plan,
    Refused,
    Seen,
    Unreachable,
    beside,
    ratio,
    split,
)
from analyzer.router.decision import ARMS
from analyzer.router.document import Document, Place, further
from analyzer.router.http import ask, ask_json

TOTAL = 10_000


class Envoy(Document):
    """Routes in a file: every weighted_clusters that names both arms. `address`: the admin URL."""

    name = "envoy"

    def __init__(self, path: str, arms: Mapping[str, str], address: str = "") -> None:
        super().__init__(path, arms, TOTAL)
        self.address = address.rstrip("/")

    def read(self) -> Live:
        """The file's weights; readiness from the admin port, which a rollback does without."""
        live = super().read()
        try:
            return live._replace(ready=_ready(self.address, self.arms))
        except Unreachable as error:
            return live._replace(notes=(str(error),), reachable=False)

    def places(self, content: Any) -> dict[str, list[Place]]:
        """Every pair of arms, wherever a route splits between them."""
        pairs = list(_splits(content, self.arms))
        if not pairs:
            raise Refused(
                f"{self.path}: no weighted_clusters names {' and '.join(self.arms.values())}"
            )
        return {arm: [(pair[self.arms[arm]], "weight") for pair in pairs] for arm in self.arms}

    def others(self, content: Any) -> dict[str, float]:
        """Further clusters of these routes."""
        return further(self.path, _splits(content, self.arms), self.arms, absent=0)

    def marked(self, content: Any) -> None:
        """A version of its own for each content, by which the engine's is told."""
        content["version_info"] = hashlib.sha256(
            json.dumps(content["resources"], sort_keys=True).encode()
        ).hexdigest()[:16]

    def engine(self, plan: Plan) -> Seen:
        """The routes that Envoy runs on, from its admin port."""
        if not self.address:
            return "not seen"
        dump = ask_json(f"{self.address}/config_dump?resource=dynamic_route_configs")
        pairs = list(_splits(dump, self.arms))
        told = {
            round(ratio({arm: _weight(p[name]) for arm, name in self.arms.items()}), 9)
            for p in pairs
        }
        return "ok" if told == {round(plan.share, 9)} else "no"

    def served(self) -> Counts | None:
        """Requests sent to each cluster."""
        return _served(self.address, self.arms)


class EnvoyRuntime:
    """Weights as runtime keys `prefix.CLUSTER`, as `runtime_key_prefix` of the route says."""

    name = "envoy-runtime"

    def __init__(self, address: str, prefix: str, arms: Mapping[str, str]) -> None:
        self.address, self.prefix, self.arms = address.rstrip("/"), prefix, dict(arms)

    def read(self) -> Live:
        """What the runtime overrides; for what it does not, what the route says."""
        told = self._runtime()
        dump = ask_json(f"{self.address}/config_dump?resource=dynamic_route_configs")
        static = ask_json(f"{self.address}/config_dump?resource=static_route_configs")
        pairs = list(_splits([dump, static], self.arms, self.prefix))
        if not pairs:
            raise Refused(
                f"{self.address}: no weighted_clusters with runtime_key_prefix {self.prefix!r} "
                f"names {' and '.join(self.arms.values())}"
            )
        weights = {
            arm: float(told.get(self._key(name), _weight(pairs[0][name])))
            for arm, name in self.arms.items()
        }
        routed = further(self.address, pairs, self.arms, absent=0)
        others = {name: float(told.get(self._key(name), w)) for name, w in routed.items()}
        token = hashlib.sha256(json.dumps(sorted(told.items())).encode()).hexdigest()[:16]
        note = "what the runtime says is lost when Envoy restarts"
        return Live(
            weights,
            ratio(weights, sum(others.values())),
            _ready(self.address, self.arms),
            token,
            (note,),
            others=beside(f"prefix {self.prefix!r}", others),
        )

    def plan(self, live: Live, share: float) -> Plan:
        """Both keys in one request: one key alone would give another share."""
        weights = split(live, share, TOTAL, "this adapter")
        query = "&".join(
            f"{quote(self._key(self.arms[arm]))}={w:.0f}" for arm, w in weights.items()
        )
        return Plan(share, weights, (f"POST {self.address}/runtime_modify?{query}",))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """One request."""
        if self.read().version != expect:
            return "conflict"
        ask(plan.commands[0].removeprefix("POST "), post=True)
        return "applied"

    def engine(self, plan: Plan) -> Seen:
        """The runtime's final values, and the routes' where it overrides nothing."""
        live = self.read()
        return "ok" if abs(live.share - plan.share) < 1e-9 and not live.nobody else "no"

    def served(self) -> Counts | None:
        """Requests sent to each cluster."""
        return _served(self.address, self.arms)

    def ladder(self, live: Live) -> Sequence[Plan]:
        """There is nothing harder than a zero."""
        return ()

    def _key(self, cluster: str) -> str:
        return f"{self.prefix}.{cluster}"

    def _runtime(self) -> dict[str, str]:
        entries = ask_json(f"{self.address}/runtime?format=json").get("entries", {})
        ours = self._key("")
        return {k: str(e["final_value"]) for k, e in entries.items() if k.startswith(ours)}


def _splits(
    content: Any, arms: Mapping[str, str], prefix: str = ""
) -> Iterator[dict[str, dict[str, Any]]]:
    """Every split in a JSON content that names both arms: its clusters by name."""
    if isinstance(content, list):
        for part in content:
            yield from _splits(part, arms, prefix)
    if not isinstance(content, dict):
        return
    weighted = content.get("weighted_clusters")
    if isinstance(weighted, dict) and isinstance(weighted.get("clusters"), list):
        named = {str(c.get("name")): c for c in weighted["clusters"] if isinstance(c, dict)}
        right = not prefix or weighted.get("runtime_key_prefix") == prefix
        if right and set(arms.values()) <= set(named):
            yield named
    for part in content.values():
        yield from _splits(part, arms, prefix)


def _weight(cluster: Mapping[str, Any]) -> float:
    return float(cluster.get("weight", 0))


def _hosts(address: str, arms: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    told = ask_json(f"{address}/clusters?format=json").get("cluster_statuses", [])
    named = {cluster["name"]: cluster.get("host_statuses", []) for cluster in told}
    for arm, cluster in arms.items():
        if cluster not in named:
            raise Refused(f"{address}: Envoy knows no cluster {cluster!r} ({arm})")
    return {arm: named[cluster] for arm, cluster in arms.items()}


def _ready(address: str, arms: Mapping[str, str]) -> dict[str, bool | None]:
    if not address:
        return dict.fromkeys(arms)
    return {arm: any(map(_healthy, hosts)) for arm, hosts in _hosts(address, arms).items()}


def _healthy(host: Mapping[str, Any]) -> bool:
    health = dict(host.get("health_status", {}))
    failed = [k for k, v in health.items() if k.startswith("failed_") and v]
    return not failed and health.get("eds_health_status", "HEALTHY") in ("HEALTHY", "DEGRADED")


def _served(address: str, arms: Mapping[str, str]) -> Counts | None:
    if not address:
        return None
    hosts = _hosts(address, arms)
    return Counts(
        *(
            sum(
                int(stat.get("value", 0))
                for host in hosts[arm]
                for stat in host.get("stats", [])
                if stat.get("name") == "rq_total"
            )
            for arm in ARMS
        )
    )
