"""What the small cluster has, and how it tells kubectl."""

from __future__ import annotations

from kube_patch import Object

CORE = "v1"
GATEWAY = "gateway.networking.k8s.io"
KINDS = {
    ("", CORE): {
        "services": "Service",
        "secrets": "Secret",
        "configmaps": "ConfigMap",
        "namespaces": "Namespace",
        "nodes": "Node",
    },
    ("discovery.k8s.io", "v1"): {"endpointslices": "EndpointSlice"},
    (GATEWAY, "v1"): {
        "httproutes": "HTTPRoute",
        "gateways": "Gateway",
        "gatewayclasses": "GatewayClass",
        "grpcroutes": "GRPCRoute",
        "tlsroutes": "TLSRoute",
        "backendtlspolicies": "BackendTLSPolicy",
    },
    (GATEWAY, "v1beta1"): {"referencegrants": "ReferenceGrant"},
    ("networking.istio.io", "v1"): {"virtualservices": "VirtualService"},
    ("mlops.seldon.io", "v1alpha1"): {"experiments": "Experiment", "models": "Model"},
    ("serving.kserve.io", "v1beta1"): {"inferenceservices": "InferenceService"},
}
"""What the cluster has, by group and version."""
TYPES = {
    resource: ("/".join(filter(None, place)), kind)
    for place, kinds in KINDS.items()
    for resource, kind in kinds.items()
}


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
