"""Objects for the small cluster, with the challenger at 5 %, and controllers of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
from kube import Cluster
from kube_patch import Object
from real import MODELS

from analyzer.router.change import Controller
from analyzer.router.connect import controller_of
from analyzer.routing import RouterAt


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


def experiment() -> Object:
    """Two models; the controller says that they are ready."""
    return {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": "Experiment",
        "metadata": meta("models"),
        "spec": {
            "default": "v6",
            "candidates": [{"name": "v6", "weight": 95}, {"name": "v7", "weight": 5}],
        },
    }


def inferenceservice() -> Object:
    """The newest revision is a canary of 5 %; the first serves the rest."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": meta("models"),
        "spec": {"predictor": {"canaryTrafficPercent": 5, "model": {}}},
        "status": {
            "components": {
                "predictor": {
                    "latestCreatedRevision": "models-predictor-00002",
                    "latestReadyRevision": "models-predictor-00002",
                    "latestRolledoutRevision": "models-predictor-00001",
                }
            }
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
    "seldon": ("experiments", experiment, "v6", "v7"),
    "kserve": (
        "inferenceservices",
        inferenceservice,
        "models-predictor-00001",
        "models-predictor-00002",
    ),
}
"""Kind of [router]: the resource, an object, and what it calls the arms."""
ZEROS = {
    "gateway-api": [10_000, 0, 10_000, 0],
    "istio": [100, 0],
    "seldon": [10_000, 0],
    "kserve": [0],
}
"""Weights after a rollback: zeros are written, never left out."""


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


def weights(cluster: Cluster, kind: str) -> list[object]:
    """Every weight that stands in the object, in order; None where none does."""
    spec = cluster.get(KINDS[kind][0], "models")["spec"]
    lists = [r["backendRefs"] for r in spec.get("rules", [])]
    lists += [r["route"] for r in spec.get("http", [])]
    lists += [spec["candidates"]] if "candidates" in spec else []
    if "predictor" in spec:
        return [spec["predictor"].get("canaryTrafficPercent")]
    return [entry.get("weight") for entries in lists for entry in entries]
