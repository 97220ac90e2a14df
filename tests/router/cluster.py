"""Objects for the small cluster: the challenger at 5 %."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def meta(name: str, **more: object) -> Object:
    return {"namespace": "shop", "name": name, **more}


def httproute() -> Object:
    """Two rules that split alike, as a controller accepted them."""
    refs = [{"name": "v6", "port": 80, "weight": 9500}, {"name": "v7", "port": 80, "weight": 500}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": meta("models"),
        "spec": {"rules": [{"backendRefs": [dict(r) for r in refs]} for _ in range(2)]},
    }


def virtualservice() -> Object:
    """Subsets of one host; the challenger's zero would be left out, as protobuf does."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": meta("models"),
        "spec": {
            "hosts": ["models"],
            "http": [
                {
                    "route": [
                        {"destination": {"host": "models", "subset": "v6"}, "weight": 95},
                        {"destination": {"host": "models", "subset": "v7"}, "weight": 5},
                    ]
                }
            ],
        },
    }


def endpointslice(service: str, ready: bool) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(f"{service}-abcde", labels={"kubernetes.io/service-name": service}),
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
    }


KINDS: dict[str, tuple[str, Any, str, str]] = {
    "gateway-api": ("httproutes", httproute, "v6", "v7"),
    "istio": ("virtualservices", virtualservice, "models/v6", "models/v7"),
}
"""Kind of [router]: the resource, an object, and what it calls the arms."""
