"""A small Kubernetes API server: resourceVersion, generation, JSON patch, dry run, watch.

It answers as the real one does where a router adapter could tell: 409 for a stale resourceVersion,
422 for a failed `test` and for a wrong weight. kubectl and Traefik take it for a cluster.
"""

from __future__ import annotations

import copy
import json
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kube_kinds import TYPES, discovered
from kube_patch import No, Object, carry_out, merge, validate


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
        found["status"] = {**found.get("status", {}), **status}
        self.put(resource, found)

    def listed(self, resource: str, namespace: str, selector: str) -> Object:
        wanted = dict(
            part.split("=", 1) for part in selector.split(",") if "=" in part and "!" not in part
        )
        with self.changed:
            items = [
                found
                for (one, space, _), found in self.objects.items()
                if one == resource
                and namespace in ("", space)
                and wanted.items() <= found["metadata"].get("labels", {}).items()
            ]
            version, kind = TYPES[resource]
            return {
                "apiVersion": version,
                "kind": f"{kind}List",
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
        if resource not in TYPES:
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


@contextmanager
def running(certified: tuple[Path, Path] | None = None) -> Iterator[Cluster]:
    """A cluster that answers on a free loopback port; certified: with this certificate and key."""
    cluster = Cluster()
    handler = type("Of", (Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if certified:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certified)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    cluster.address = f"http{'s' * bool(certified)}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield cluster
    finally:
        cluster.address = ""
        server.shutdown()
        server.server_close()
        thread.join()
