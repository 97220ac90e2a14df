"""Weights in a Kubernetes object: a JSON patch that holds only for the version that was read.

The patch replaces `/metadata/resourceVersion`: where the object changed meanwhile the server says
409, while a failed `test` would answer 422, like a wrong schema. Controllers write the status of an
object all the time, so `generation` tells whether somebody else changed what is wanted.
"""

from __future__ import annotations

import json
import shlex
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.router.adapter import (
    Ambiguous,
    Counts,
    Live,
    Outcome,
    Plan,
    Refused,
    Rejected,
    RouterError,
    Seen,
    Unreachable,
    beside,
    ratio,
    split,
)
from analyzer.router.http import Answered, parsed, send
from analyzer.router.kubernetes_objects import Split, part

TRIES = 5
"""Status writes of controllers that may come in between before a change counts as a conflict."""
GITOPS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}
"""Labels and annotations by which a GitOps controller marks what it keeps."""


class Api:
    """A Kubernetes API server. token_file: read again for each request, as tokens are rotated;
    ca_file: whom to trust in place of the system's authorities.
    """

    def __init__(self, address: str, token_file: str = "", ca_file: str = "") -> None:
        self.address, self.token_file, self.ca_file = address.rstrip("/"), token_file, ca_file

    def get(self, path: str) -> dict[str, Any]:
        """An object. Raises Answered, Unreachable."""
        return self._object("GET", path, None)

    def patch(self, path: str, ops: Sequence[Mapping[str, Any]], dry: bool) -> dict[str, Any]:
        """The object after a JSON patch; dry: nothing is kept. Raises Answered, Unreachable,
        Ambiguous.
        """
        query = "?fieldManager=analyzer" + ("&dryRun=All" if dry else "")
        return self._object("PATCH", path + query, json.dumps(ops).encode())

    def _object(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        url = self.address + path
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json-patch+json"
        context = None
        try:
            if self.token_file:
                token = Path(self.token_file).read_text(encoding="ascii").strip()
                headers["Authorization"] = f"Bearer {token}"
            if url.startswith("https:"):
                context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ValueError) as error:
            where = self.token_file if "Authorization" not in headers else self.ca_file
            raise Unreachable(f"{where}: cannot be read ({error})") from None
        found = parsed(send(method, url, body, headers, context), url)
        if not isinstance(found, dict):
            raise Unreachable(f"{url}: the answer is no Kubernetes object")
        return found


class Kubernetes:
    """One object, `namespace/name`, that splits traffic as `split` says."""

    def __init__(self, split: Split, api: Api, backend: str, arms: Mapping[str, str]) -> None:
        self.split, self.api, self.arms, self.name = split, api, dict(arms), split.name
        self.namespace, _, self.object = backend.partition("/")
        self.path = split.path(self.namespace) + f"/{self.object}"

    def read(self) -> Live:
        """The wanted weights and, where the cluster tells, which arms are ready."""
        found = self._get()
        weights = self.split.weights(found, self.arms)
        others = self.split.others(found, self.arms)
        notes = [*self.split.notes(found, self.arms), *_kept_by(found)]
        return Live(
            weights,
            ratio(weights, sum(others.values())),
            {arm: self._ready(found, arm) for arm in self.arms},
            _version(found),
            tuple(notes),
            others=beside(f"{self.split.resource} {self.namespace}/{self.object}", others),
        )

    def plan(self, live: Live, share: float) -> Plan:
        """Weights and the patch; a rise is tried by the server (`dryRun=All`), a fall is not."""
        weights = split(live, share, self.split.total, f"a {self.split.resource} object")
        found = self._get()
        ops = self.split.patch(found, self.arms, weights)
        if share > live.share:
            try:
                self.api.patch(self.path, ops, dry=True)
            except Answered as error:
                raise Refused(f"the server would not take it: {_said(error)}") from None
        command = (
            f"kubectl --namespace {self.namespace} patch {self.split.resource}.{self.split.group} "
            f"{self.object} --type=json --patch {shlex.quote(json.dumps(ops))}"
        )
        return Plan(share, weights, (command,))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """One patch of every arm."""
        for _ in range(TRIES):
            found = self._get()
            if _version(found) != expect:
                return "conflict"
            version = found["metadata"]["resourceVersion"]
            ops = self.split.patch(found, self.arms, plan.weights)
            compare = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
            try:
                self.api.patch(self.path, [compare, *ops], dry=False)
                return "applied"
            except Answered as error:
                if error.code == 429:
                    return "busy"
                if error.code >= 500:
                    raise Ambiguous(_said(error)) from None
                if error.code != 409:
                    raise Rejected(_said(error)) from None
        return "conflict"

    def engine(self, plan: Plan) -> Seen:
        """What the controller behind the object says of the planned weights."""
        found = self._get()
        if abs(ratio(self.split.weights(found, self.arms)) - plan.share) > 1e-9:
            return "no"
        return self.split.engine(found, self.arms, plan.share)

    def served(self) -> Counts | None:
        """The API server counts no requests."""
        return None

    def ladder(self, live: Live) -> Sequence[Plan]:
        """There is nothing harder than a zero."""
        return ()

    def _get(self) -> dict[str, Any]:
        try:
            found = self.api.get(self.path)
        except Answered as error:
            if error.code == 404:
                raise Refused(
                    f"{self.api.address}: there is no {self.split.resource}.{self.split.group} "
                    f"{self.namespace}/{self.object} ({_said(error)})"
                ) from None
            if error.code >= 500 or error.code == 429:
                raise Unreachable(_said(error)) from None
            raise Rejected(_said(error)) from None
        meta = found.get("metadata")
        if not isinstance(meta, dict) or not isinstance(meta.get("resourceVersion"), str):
            raise Unreachable(f"{self.api.address}{self.path}: an object without resourceVersion")
        return found

    def _ready(self, found: Mapping[str, Any], arm: str) -> bool | None:
        """Never in the way of a rollback: what cannot be asked is not known."""
        try:
            path = self.split.readiness(self.namespace, self.arms[arm])
            told = self.api.get(path) if path else {}
            return self.split.ready(found, told, self.arms[arm])
        except RouterError:
            return None


def _version(found: Mapping[str, Any]) -> str:
    meta = found["metadata"]
    # an object that was deleted and made again begins its generations anew
    return f"{meta.get('uid', '')}/{meta.get('generation', meta['resourceVersion'])}"


def _kept_by(found: Mapping[str, Any]) -> list[str]:
    meta = found["metadata"]
    marks = {**part(meta, "labels"), **part(meta, "annotations")}
    return [
        f"{who} keeps this object and may put its own weights back; let it ignore the weights"
        for who in sorted({who for mark, who in GITOPS.items() if mark in marks})
    ]


def _said(error: Answered) -> str:
    """The server's own sentence, from its Status object."""
    try:
        message = json.loads(error.body)["message"]
    except (ValueError, KeyError, TypeError):
        return str(error)
    return f"{error}: {message}"
