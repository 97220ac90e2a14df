"""`[router]` of rollout.toml: which traffic router there is, and what it calls the models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace


class Instance(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of several processes of the router: what differs from the rest of `[router]`."""

    name: str = ""
    address: str = ""
    path: str = ""
    state_file: str = ""
    token_file: str = ""
    ca_file: str = ""

    @property
    def told(self) -> str:
        """What it is called in sentences."""
        return self.name or self.address or self.path


class RouterAt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The traffic router and what the models are called there.

    kind: `decision` (services that use our client), `file` (a weight at a JSON pointer), or a
    router. address: HAProxy's socket, Envoy's admin URL, Traefik's API, the Kubernetes API server
    (or `kubectl proxy`) with token_file and ca_file, AWS's in place of its own. path: the file
    that is replaced. backend: HAProxy's backend, Traefik's weighted service, Envoy's runtime key
    prefix, `namespace/name` of a Kubernetes object, SageMaker's endpoint. champion, challenger: the
    server, service, cluster, revision, variant or JSON pointer of each. serves: names of
    the models that these serve; a verdict about others is refused. folder: lock, audit log and
    decision in force. kill_sessions: whether a stuck rollback may cut open sessions. instances:
    the router's processes where there are several, each with an address, a path or both.
    """

    kind: Literal[
        "decision",
        "file",
        "haproxy",
        "envoy",
        "envoy-runtime",
        "traefik",
        "gateway-api",
        "istio",
        "seldon",
        "kserve",
        "sagemaker",
    ]
    address: str = ""
    token_file: str = ""
    ca_file: str = ""
    path: str = ""
    backend: str = ""
    champion: Annotated[str, Meta(min_length=1)] = "champion"
    challenger: Annotated[str, Meta(min_length=1)] = "challenger"
    serves: dict[str, str] = {}
    total: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    state_file: str = ""
    folder: str = ".router"
    kill_file: str = ""
    kill_sessions: bool = False
    instances: list[Instance] = []

    def each(self) -> dict[str, RouterAt]:
        """The settings of each instance by name; of the router itself where there is one only."""
        keys = ("address", "path", "state_file", "token_file", "ca_file")
        return {
            one.told: replace(self, instances=[], **{k: v for k in keys if (v := getattr(one, k))})
            for one in self.instances
        } or {"": self}


LOOPBACK = ("127.0.0.1", "::1", "localhost")
_KUBERNETES = (("address", "backend"), ("token_file", "ca_file"))
ROUTER_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "decision": (("path",), ()),
    "file": (("path",), ("total",)),
    "haproxy": (("address", "backend"), ("state_file", "kill_sessions")),
    "envoy": (("path",), ("address",)),
    "envoy-runtime": (("address", "backend"), ()),
    "traefik": (("path", "backend"), ("address",)),
    "gateway-api": _KUBERNETES,
    "istio": _KUBERNETES,
    "seldon": _KUBERNETES,
    "kserve": _KUBERNETES,
    "sagemaker": (("backend",), ("address",)),
}
"""Keys that a kind of router needs, and those that it may have; others mean nothing to it."""


def refusal(settings: RouterAt) -> str:
    """What is wrong with the settings, empty where nothing is."""
    if not settings.instances:
        return _refusal(settings)
    each = settings.each()
    if len(each) < len(settings.instances) or "" in each:
        return "each of the instances needs a name, an address or a path of its own"
    for key in ("address", "path", "state_file"):
        given = [value for one in each.values() if (value := getattr(one, key))]
        if len(set(given)) < len(given):
            return f"two of the instances have the same `{key}`; each needs its own"
    wrong = {name: _refusal(one) for name, one in each.items()}
    return next((f"instance {name}: {why}" for name, why in wrong.items() if why), "")


def _refusal(settings: RouterAt) -> str:
    needed, allowed = ROUTER_KEYS[settings.kind]
    for key in sorted({k for pair in ROUTER_KEYS.values() for keys in pair for k in keys}):
        given = getattr(settings, key)
        if key in needed and not given:
            return f'kind = "{settings.kind}" needs `{key}`'
        default = {"total": 100, "kill_sessions": False}.get(key, "")
        if key not in (*needed, *allowed) and given != default:
            return f'`{key}` means nothing where kind = "{settings.kind}"'
    odd = sorted(set(settings.serves) - {"champion", "challenger"})
    if odd:
        return f"serves names {odd[0]!r}; it may name champion and challenger"
    if settings.champion == settings.challenger:
        return f"champion and challenger are both {settings.champion!r}"
    for side, pointer in (("champion", settings.champion), ("challenger", settings.challenger)):
        if settings.kind == "file" and not pointer.startswith("/"):
            return f"{side} = {pointer!r} is no JSON pointer, like /weights/{side}"
    is_url = settings.address.startswith(("http://", "https://"))
    if settings.kind not in ("haproxy", "decision", "file") and settings.address and not is_url:
        return "address must be a URL like http://127.0.0.1:9901"
    if ROUTER_KEYS[settings.kind] is _KUBERNETES:
        return _kubernetes_refusal(settings)
    own = Path(settings.folder) / "decision.json"
    if settings.kind == "decision" and Path(settings.path) == own:
        return "path is where the router's folder keeps its own copy"
    return ""


def _kubernetes_refusal(settings: RouterAt) -> str:
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", settings.backend):
        return f'backend = "{settings.backend}" is no namespace/name of an object'
    url = urlsplit(settings.address)
    if settings.token_file and url.scheme == "http" and url.hostname not in LOOPBACK:
        return "a token over http:// could be read on the way: address must be https://"
    if settings.ca_file and url.scheme == "http":
        return "`ca_file` means nothing where address is http://"
    return ""
