"""Kubernetes objects that split traffic: where their weights stand and who says that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from analyzer.router.adapter import Refused, Seen

Ops = list[dict[str, Any]]
Entries = Sequence[dict[str, Any]]


class Split(Protocol):
    """A kind of object. total: what the weights sum to; the rest says where the API keeps it."""

    name: str
    group: str
    resource: str
    total: int

    def path(self, namespace: str) -> str:
        """Where the objects of a namespace are."""

    def weights(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """The wanted weights. Raises Refused where an arm is missing or the share is unknown."""

    def others(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """Weights of what else these lists give traffic to."""

    def patch(
        self, found: Mapping[str, Any], arms: Mapping[str, str], weights: Mapping[str, float]
    ) -> Ops:
        """A JSON patch (RFC 6902) that writes every weight, zeros too, onto the names read."""

    def engine(self, found: Mapping[str, Any], arms: Mapping[str, str], share: float) -> Seen:
        """Whether the object's status says that the wanted weights are in force."""

    def notes(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> list[str]:
        """What to know."""

    def readiness(self, namespace: str, name: str) -> str:
        """Where to ask whether `name` is ready; empty where nowhere."""

    def ready(self, found: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool | None:
        """Whether it is, by the object and by what was asked; None: unknown."""


class Weighted:
    """Objects with lists of weighted entries. absent: what a weight that is not there means."""

    name, group, version, resource = "", "", "v1", ""
    total, absent = 100, 0

    def path(self, namespace: str) -> str:
        """Where the objects of a namespace are."""
        return f"/apis/{self.group}/{self.version}/namespaces/{namespace}/{self.resource}"

    def lists(self, spec: Mapping[str, Any]) -> Iterator[tuple[str, Entries]]:
        """Every list and its JSON pointer."""
        raise NotImplementedError

    def identity(self, entry: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """An entry's name, as `[router]` gives it, and the keys under which it stands."""
        return str(entry.get("name")), ("name",)

    def weights(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """Weights on which all lists with both arms agree."""
        told = {arm: self._told(found, arms, arms[arm]) for arm in arms}
        if any(len(values) != 1 for values in told.values()):
            raise Refused(
                f"{named(found, self.resource)}: its rules split differently "
                f"({', '.join(f'{arms[a]}: {sorted(v)}' for a, v in told.items())})"
            )
        return {arm: values.pop() for arm, values in told.items()}

    def others(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """The largest weight of each further entry beside both arms."""
        lists = [split for _, split in self._splits(found, arms)]
        names = {self.identity(entry)[0] for split in lists for entry in split}
        further = names - set(arms.values())
        return {name: max(self._told(found, arms, name)) for name in further}

    def _told(self, found: Mapping[str, Any], arms: Mapping[str, str], name: str) -> set[float]:
        """What the lists with both arms say of a name's weight."""
        told = set()
        for _, split in self._splits(found, arms):
            for entry in split:
                if self.identity(entry)[0] != name:
                    continue
                weight = entry.get("weight", self.absent)
                if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
                    raise Refused(
                        f"{named(found, self.resource)}: the weight of {name} reads {weight!r}"
                    )
                told.add(float(weight))
        return told

    def patch(
        self, found: Mapping[str, Any], arms: Mapping[str, str], weights: Mapping[str, float]
    ) -> Ops:
        """`test` the names, then set the weights, wherever both arms are named."""
        tests, sets = [], []
        for pointer, split in self._splits(found, arms):
            for index, entry in enumerate(split):
                name, keys = self.identity(entry)
                arm = next((a for a in arms if arms[a] == name), None)
                if arm is None:
                    continue
                value: Any = entry
                for key in keys:
                    value = value[key]
                at = f"{pointer}/{index}"
                tests.append({"op": "test", "path": f"{at}/{'/'.join(keys)}", "value": value})
                sets.append({"op": "add", "path": f"{at}/weight", "value": int(weights[arm])})
        return [*tests, *sets]

    def notes(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> list[str]:
        """Rules that name the challenger and not the champion: their traffic is not the split's."""
        alone = [
            pointer
            for pointer, split in self.lists(part(found, "spec"))
            if arms["challenger"] in (names := {self.identity(e)[0] for e in split})
            and arms["champion"] not in names
        ]
        return [f"{at} names {arms['challenger']} alone: its share is not counted" for at in alone]

    def readiness(self, namespace: str, name: str) -> str:
        """The endpoints of the service of that name."""
        if not name or not name.replace("-", "").isalnum():
            return ""
        return (
            f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
            f"?labelSelector=kubernetes.io/service-name%3D{name}"
        )

    def ready(self, found: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool | None:
        """Whether any endpoint is ready; without slices nobody knows."""
        slices = entries(told, "items")
        endpoints = [one for piece in slices for one in entries(piece, "endpoints")]
        # a condition that is not there counts as ready, says the API
        told_ready = [part(one, "conditions").get("ready", True) for one in endpoints]
        return any(told_ready) if slices else None

    def _splits(
        self, found: Mapping[str, Any], arms: Mapping[str, str]
    ) -> list[tuple[str, Entries]]:
        """Lists of both arms. Raises Refused where there are none, or one names an arm twice."""
        splits, seen = [], set()
        for pointer, split in self.lists(part(found, "spec")):
            names = [self.identity(entry)[0] for entry in split]
            seen |= set(names)
            if not set(arms.values()) <= set(names):
                continue
            twice = [name for name in arms.values() if names.count(name) > 1]
            if twice:
                raise Refused(
                    f"{named(found, self.resource)}: {pointer} names {twice[0]!r} twice: its share "
                    "is unknown"
                )
            splits.append((pointer, split))
        if not splits:
            raise Refused(
                f"{named(found, self.resource)}: nothing splits between "
                f"{' and '.join(arms.values())}; it names {', '.join(sorted(seen)) or 'nobody'}"
            )
        return splits


class HTTPRoute(Weighted):
    """Gateway API: `backendRefs` of each rule; arms are names of Services."""

    name, group, resource = "gateway-api", "gateway.networking.k8s.io", "httproutes"
    total, absent = 10_000, 1

    def lists(self, spec: Mapping[str, Any]) -> Iterator[tuple[str, Entries]]:
        """`backendRefs` of the rules."""
        for index, rule in enumerate(entries(spec, "rules")):
            yield f"/spec/rules/{index}/backendRefs", entries(rule, "backendRefs")

    def engine(self, found: Mapping[str, Any], arms: Mapping[str, str], share: float) -> Seen:
        """Every gateway accepted this generation and resolved its backends; it serves by it a
        moment later (Traefik: within its throttle of 2 s).
        """
        parents = entries(part(found, "status"), "parents")
        if not parents:
            return "not seen"
        for parent in parents:
            told = {str(one.get("type")): one for one in entries(parent, "conditions")}
            for kind in ("Accepted", "ResolvedRefs"):
                one = told.get(kind, {})
                seen = _seen(found, one.get("observedGeneration", 0))
                if one.get("status") != "True" or not seen:
                    return "no"
        return "ok"


class VirtualService(Weighted):
    """Istio: `route` of each `http`; arms are `host` or, with subsets, `host/subset`."""

    name, group, resource = "istio", "networking.istio.io", "virtualservices"

    def lists(self, spec: Mapping[str, Any]) -> Iterator[tuple[str, Entries]]:
        """Destinations of the HTTP routes; a single one needs no weight."""
        for index, http in enumerate(entries(spec, "http")):
            yield f"/spec/http/{index}/route", entries(http, "route")

    def identity(self, entry: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """The destination."""
        where = part(entry, "destination")
        host, subset = where.get("host"), where.get("subset")
        if subset:
            return f"{host}/{subset}", ("destination", "subset")
        return str(host), ("destination", "host")

    def engine(self, found: Mapping[str, Any], arms: Mapping[str, str], share: float) -> Seen:
        """Istio says so only where its status reports are switched on; its faults are told too."""
        messages = entries(part(found, "status"), "validationMessages")
        if any(str(one.get("level", "")).upper() == "ERROR" for one in messages):
            return "no"
        return observed(found, "Reconciled")


class Experiment(Weighted):
    """Seldon Core v2: `candidates` of an Experiment; arms are names of Models (or Pipelines)."""

    name, group, version, resource = "seldon", "mlops.seldon.io", "v1alpha1", "experiments"
    total = 10_000

    def lists(self, spec: Mapping[str, Any]) -> Iterator[tuple[str, Entries]]:
        """The candidates."""
        yield "/spec/candidates", entries(spec, "candidates")

    def engine(self, found: Mapping[str, Any], arms: Mapping[str, str], share: float) -> Seen:
        """Seldon's condition; a mirror that is not ready is another matter."""
        return observed(found, "ExperimentReady")

    def readiness(self, namespace: str, name: str) -> str:
        """The Model of that name."""
        return f"/apis/{self.group}/{self.version}/namespaces/{namespace}/models/{name}"

    def ready(self, found: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool | None:
        """Its condition."""
        conditions = entries(part(told, "status"), "conditions")
        states = [one.get("status") for one in conditions if one.get("type") == "ModelReady"]
        return states[0] == "True" if states else None


def observed(found: Mapping[str, Any], kind: str) -> Seen:
    """A condition; it is believed where the controller says that it saw this generation."""
    status = part(found, "status")
    told = [one for one in entries(status, "conditions") if one.get("type") == kind]
    if not told:
        return "not seen"
    if told[0].get("status") != "True":
        return "no"
    seen = _seen(found, told[0].get("observedGeneration", status.get("observedGeneration")))
    return "not seen" if seen is None else "ok" if seen else "no"


def _seen(found: Mapping[str, Any], generation: object) -> bool | None:
    """Whether a controller saw what is wanted now; None where it does not say."""
    told, wanted = str(generation), str(found["metadata"].get("generation", 0))
    if not told.isdigit() or not wanted.isdigit():
        return None
    return int(told) >= int(wanted)


def named(found: Mapping[str, Any], resource: str) -> str:
    """An object in a sentence."""
    meta = found["metadata"]
    return f"{resource} {meta.get('namespace')}/{meta.get('name')}"


def part(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object within an object; empty where there is none."""
    there = found.get(key)
    return there if isinstance(there, dict) else {}


def entries(found: Mapping[str, Any], key: str) -> Entries:
    """A list of objects; empty where there is none, or something else."""
    there = found.get(key)
    whole = isinstance(there, list) and all(isinstance(one, dict) for one in there)
    return there if whole and isinstance(there, list) else []
