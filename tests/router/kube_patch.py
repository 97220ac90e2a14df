"""How the small cluster changes an object, and how it says no."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


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
