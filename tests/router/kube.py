"""A small Kubernetes API server: resourceVersion, generation, JSON patch, dry run, watch.

It answers as the real one does where a router adapter could tell: 409 for a stale resourceVersion,
422 for a failed `test` and for a wrong weight. kubectl and Traefik take it for a cluster.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
CORE = "v1"
KINDS = {
    ("", CORE): {"services": "Service", "secrets": "Secret", "configmaps": "ConfigMap"},
    ("discovery.k8s.io", "v1"): {"endpointslices": "EndpointSlice"},
    ("gateway.networking.k8s.io", "v1"): {"httproutes": "HTTPRoute", "gateways": "Gateway"},
    ("networking.istio.io", "v1"): {"virtualservices": "VirtualService"},
}
"""What the cluster has, by group and version."""
CLUSTER_WIDE = {"namespaces": "Namespace", "gatewayclasses": "GatewayClass", "nodes": "Node"}


class No(Exception):
    """An answer other than 200."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    def status(self) -> Object:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


class Cluster:
    """Objects by (resource, namespace, name). faults: called before a PATCH is carried out."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.events: list[tuple[int, str, str, Object]] = []
        self.changed = threading.Condition()
        self.newest = 100
        self.token = ""
        self.asked: list[str] = []
        self.patches: list[list[Object]] = []
        self.before_patch: Callable[[], None] = lambda: None
        self.after_patch: Callable[[], None] = lambda: None
        self.address = ""

    def put(self, resource: str, found: Object) -> Object:
        """Create an object, or replace its spec and status as its owner would."""
        meta = found["metadata"]
        key = (resource, meta.get("namespace", ""), meta["name"])
        with self.changed:
            old = self.objects.get(key)
            return self._keep(key, found, old)

    def get(self, resource: str, name: str, namespace: str = "shop") -> Object:
        return copy.deepcopy(self.objects[resource, namespace, name])

    def status(self, resource: str, name: str, status: Object) -> None:
        """What a controller writes: another resourceVersion, the same generation."""
        found = self.get(resource, name)
        found["status"] = status
        self.put(resource, found)

    def listed(self, resource: str, namespace: str, selector: str) -> Object:
        wanted = dict(part.split("=", 1) for part in selector.split(",") if "=" in part)
        with self.changed:
            items = [
                found
                for (one, space, _), found in self.objects.items()
                if one == resource
                and namespace in ("", space)
                and wanted.items() <= found["metadata"].get("labels", {}).items()
            ]
            return {
                "apiVersion": items[0]["apiVersion"] if items else "v1",
                "kind": "List",
                "metadata": {"resourceVersion": str(self.newest)},
                "items": copy.deepcopy(items),
            }

    def patched(self, key: tuple[str, str, str], ops: Any, kind: str, dry: bool) -> Object:
        """As the API server: patch what is there now, validate, compare versions, keep."""
        with self.changed:
            old = self._there(key)
            new = copy.deepcopy(old)
            if kind == "application/json-patch+json":
                for op in ops:
                    carry_out(new, op)
            else:
                merge(new, ops)
            if new["metadata"].get("resourceVersion") not in (
                None,
                old["metadata"]["resourceVersion"],
            ):
                raise No(409, "Conflict", "the object has been modified; please apply your changes")
            validate(new)
            return new if dry else self._keep(key, new, old)

    def _there(self, key: tuple[str, str, str]) -> Object:
        if key not in self.objects:
            raise No(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return self.objects[key]

    def _keep(self, key: tuple[str, str, str], new: Object, old: Object | None) -> Object:
        new = copy.deepcopy(new)
        meta = new["metadata"]
        before = old or {"metadata": {"generation": 0}}
        same = old is not None and old.get("spec") == new.get("spec")
        meta["generation"] = before["metadata"]["generation"] + (0 if same else 1)
        meta["uid"] = before["metadata"].get("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        if old is not None:
            meta["resourceVersion"] = old["metadata"]["resourceVersion"]
            if new == old:  # nothing is written where nothing differs
                return copy.deepcopy(old)
        self.newest += 1
        meta["resourceVersion"] = str(self.newest)
        self.objects[key] = new
        kind = "MODIFIED" if old else "ADDED"
        self.events.append((self.newest, kind, key[0], copy.deepcopy(new)))
        self.changed.notify_all()
        return copy.deepcopy(new)


def carry_out(found: Object, op: Object) -> None:
    """One operation of a JSON patch (RFC 6902)."""
    *way, last = [p.replace("~1", "/").replace("~0", "~") for p in op["path"].split("/")[1:]]
    holder: Any = found
    try:
        for part in way:
            holder = holder[int(part) if isinstance(holder, list) else part]
        key: Any = int(last) if isinstance(holder, list) else last
        if op["op"] == "test" and holder[key] != op["value"]:
            raise No(422, "Invalid", f"testing path {op['path']}: the value differs")
        if op["op"] in ("add", "replace"):
            if op["op"] == "replace":
                holder[key]  # must be there
            holder[key] = op["value"]
    except (KeyError, IndexError, ValueError, TypeError):
        raise No(422, "Invalid", f"there is nothing at {op['path']}") from None


def merge(found: Object, patch: Object) -> None:
    """A merge patch (RFC 7386): lists are replaced whole."""
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            merge(found[key], value)
        else:
            found[key] = value


def validate(found: Object) -> None:
    """The part of the schemas that concerns weights."""
    spec = found.get("spec", {})
    limits = {"HTTPRoute": 1_000_000, "VirtualService": 100, "Experiment": 2**32}
    entries = [e for r in spec.get("rules", []) for e in r.get("backendRefs", [])]
    entries += [e for r in spec.get("http", []) for e in r.get("route", [])]
    entries += spec.get("candidates", [])
    weights = [e["weight"] for e in entries if "weight" in e]
    weights += [p for p in [spec.get("predictor", {}).get("canaryTrafficPercent")] if p is not None]
    limit = limits.get(found["kind"], 100)
    if any(isinstance(w, bool) or not isinstance(w, int) or not 0 <= w <= limit for w in weights):
        raise No(422, "Invalid", f"{found['kind']} is invalid: weight: Invalid value: {weights}")


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_PATCH(self) -> None:
        self._answer(self._patch)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_POST(self) -> None:
        self._answer(lambda: self._body())  # events, of which nobody asks again

    def _answer(self, made: Callable[[], Object | None]) -> None:
        code = 200
        length = int(self.headers.get("Content-Length") or 0)
        self.raw = self.rfile.read(length)
        self.cluster.asked.append(f"{self.command} {self.path}")
        try:
            if self.cluster.token:
                given = self.headers.get("Authorization", "")
                if given != f"Bearer {self.cluster.token}":
                    raise No(401, "Unauthorized", "Unauthorized")
            told = made()
        except No as no:
            code, told = no.code, no.status()
        except ConnectionAbortedError:
            self.close_connection = True
            return
        if told is None:
            return
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> Object:
        found = json.loads(self.raw)
        assert isinstance(found, dict)
        return found

    def _place(self) -> tuple[str, str, str, str, dict[str, list[str]]]:
        """Resource, namespace, name, subresource, query."""
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        space = ""
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            space, parts = parts[1], parts[2:]
        resource, name, sub = (*parts, "", "", "")[:3]
        known = {r for kinds in KINDS.values() for r in kinds} | set(CLUSTER_WIDE)
        if resource not in known:
            raise No(404, "NotFound", "the server could not find the requested resource")
        return resource, space, name, sub, parse_qs(url.query)

    def _get(self) -> Object | None:
        discovery = discovered(urlsplit(self.path).path)
        if discovery is not None:
            return discovery
        resource, space, name, _, query = self._place()
        if name:
            with self.cluster.changed:
                return copy.deepcopy(self.cluster._there((resource, space, name)))
        if query.get("watch", ["0"])[0] in ("1", "true"):
            return self._watch(resource, space, query)
        return self.cluster.listed(resource, space, query.get("labelSelector", [""])[0])

    def _patch(self) -> Object:
        resource, space, name, sub, query = self._place()
        ops = json.loads(self.raw)
        dry = query.get("dryRun") == ["All"]
        if not dry and not sub:
            self.cluster.patches.append(ops)
            self.cluster.before_patch()
        kind = self.headers.get("Content-Type", "")
        new = self.cluster.patched((resource, space, name), ops, kind, dry)
        if not dry and not sub:
            self.cluster.after_patch()
        return new

    def _put(self) -> Object:
        resource, space, name, sub, _ = self._place()
        key, new = (resource, space, name), self._body()
        with self.cluster.changed:
            old = self.cluster._there(key)
            if new["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
                raise No(409, "Conflict", "the object has been modified")
            kept = {**old, "status": new.get("status")} if sub else new
            return self.cluster._keep(key, kept, old)

    def _watch(self, resource: str, space: str, query: dict[str, list[str]]) -> None:
        if "sendInitialEvents" in query:
            raise No(422, "Invalid", "sendInitialEvents is forbidden for watch")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        seen = int(query.get("resourceVersion", ["0"])[0] or 0)
        cluster = self.cluster
        while cluster.address:
            with cluster.changed:
                new = [e for e in cluster.events if e[0] > seen and e[2] == resource]
                if not new:
                    cluster.changed.wait(0.2)
            seen = max([seen, *(e[0] for e in new)])
            for _, kind, _, found in new:
                if space in ("", found["metadata"].get("namespace", "")):
                    line = json.dumps({"type": kind, "object": found}) + "\n"
                    try:
                        self.wfile.write(line.encode())
                    except OSError:
                        return


def discovered(path: str) -> Object | None:
    """What the cluster has, for kubectl."""
    parts = path.strip("/").split("/")
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": [CORE]}
    if parts == ["apis"]:
        groups = [
            {"name": g, "versions": [version], "preferredVersion": version}
            for g, v in KINDS
            if g
            for version in [{"groupVersion": f"{g}/{v}", "version": v}]
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    place = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[-1])
    if len(parts) != (2 if parts[0] == "api" else 3) or place not in KINDS:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "/".join(filter(None, place)),
        "resources": [
            {
                "name": resource,
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": True,
                "verbs": ["get", "list", "patch", "watch"],
            }
            for resource, kind in KINDS[place].items()
        ],
    }


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that answers on a free loopback port."""
    cluster = Cluster()
    handler = type("Of", (Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    cluster.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield cluster
    finally:
        cluster.address = ""
        server.shutdown()
        server.server_close()
        thread.join()
