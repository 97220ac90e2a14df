"""decision.json: what the traffic router does now, until when, and what after that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal, NamedTuple, get_args

from analyzer.errors import AnalyzerError

Fallback = Literal["champion", "hold"]
SCHEMA = 1
LARGEST = 65_536
"""Bytes; a decision has some 600."""
ARMS = ("champion", "challenger")
TEXTS = ("rollout", "phase", "reason", "verdict")
FALLBACKS: dict[str, Fallback] = {"ab": "hold", "full": "hold"}
"""What a phase does when its decision expires; any other goes back to the champion."""


class DecisionError(AnalyzerError):
    """A decision that cannot be used; the text says why."""


class Decision(NamedTuple):
    """Traffic weights with their reason, their time and their end.

    weights: share of the traffic per arm, sum 1. models: what each arm's model is called.
    verdict: digest of the verdict it follows from, empty for a rollback. issued_at, valid_until:
    ISO 8601, UTC. epoch: grows with every decision of a rollout; an older one is never obeyed.
    fallback: after valid_until, `champion` serves all, or the last weights `hold` with an alarm.
    """

    rollout: str
    phase: str
    models: dict[str, str]
    weights: dict[str, float]
    reason: str
    verdict: str
    issued_at: str
    valid_until: str
    epoch: int
    fallback: Fallback
    schema: int = SCHEMA

    @property
    def share(self) -> float:
        """The challenger's share of the traffic."""
        return self.weights["challenger"]

    @property
    def issued(self) -> float:
        """Seconds since 1970."""
        return seconds(self.issued_at)

    @property
    def expires(self) -> float:
        """Seconds since 1970."""
        return seconds(self.valid_until)

    def allows(self, now: float) -> float:
        """The largest share of the challenger that this decision allows at `now` (seconds)."""
        return 0.0 if now >= self.expires and self.fallback == "champion" else self.share


def decision_for(
    phase: str,
    share: float,
    *,
    rollout: str,
    models: dict[str, str],
    reason: str,
    verdict: str,
    issued: float,
    expires: float,
    epoch: int,
) -> Decision:
    """A decision that gives the challenger `share` of the traffic. issued, expires: seconds."""
    return Decision(
        rollout=rollout,
        phase=phase,
        models={arm: models[arm] for arm in ARMS},
        weights={"champion": round(1 - share, 12), "challenger": share},
        reason=reason,
        verdict=verdict,
        issued_at=text(issued),
        valid_until=text(expires),
        epoch=epoch,
        fallback=FALLBACKS.get(phase, "champion"),
    )


def encode(decision: Decision) -> bytes:
    """decision.json: sorted keys, indented; the same decision always the same bytes."""
    return json.dumps(decision._asdict(), sort_keys=True, indent=2).encode() + b"\n"


def decode(raw: bytes) -> Decision:
    """A decision from the bytes of decision.json.

    Raises DecisionError for anything that is not exactly a decision: not JSON, a key too many or
    too few, a wrong type, weights that are no shares or do not sum to 1, no instant.
    """
    if len(raw) > LARGEST:
        raise DecisionError(f"it has {len(raw):,} bytes; a decision has fewer than {LARGEST:,}")
    try:
        found = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise DecisionError(f"it is not JSON ({error})") from None
    if not isinstance(found, dict):
        raise DecisionError("it is no JSON object")
    names = set(Decision._fields)
    if set(found) != names:
        odd = sorted(set(found) ^ names)
        raise DecisionError(f"{odd[0]!r} is {'missing' if odd[0] in names else 'unknown'}")
    _check(found)
    return Decision(**found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _check(found: dict[str, Any]) -> None:
    def need(holds: bool, what: str) -> None:
        if not holds:
            raise DecisionError(what)

    need(type(found["schema"]) is int and found["schema"] == SCHEMA, f"schema is not {SCHEMA}")
    for name in TEXTS:
        need(type(found[name]) is str, f"{name} is no text")
    need(bool(found["rollout"]), "rollout is empty")
    need(found["fallback"] in get_args(Fallback), "fallback is neither champion nor hold")
    epoch = found["epoch"]
    need(type(epoch) is int and epoch >= 1, "epoch is no whole number from 1")
    models, weights = found["models"], found["weights"]
    for name, values in (("models", models), ("weights", weights)):
        need(
            isinstance(values, dict) and set(values) == set(ARMS), f"{name} does not name the arms"
        )
    need(all(type(v) is str and v for v in models.values()), "a model has no name")
    shares = list(weights.values())
    need(all(type(v) in (int, float) for v in shares), "a weight is no number")
    need(all(isfinite(v) and 0 <= v <= 1 for v in shares), "a weight is no share from 0 to 1")
    need(abs(sum(shares) - 1) < 1e-9, "the weights do not sum to 1")
    issued, expires = seconds(found["issued_at"]), seconds(found["valid_until"])
    need(issued < expires, "valid_until does not lie after issued_at")


def seconds(instant: object) -> float:
    """Seconds since 1970 of an ISO 8601 text with its zone. Raises DecisionError for any other."""
    try:
        moment = datetime.fromisoformat(instant if isinstance(instant, str) else "")
        if moment.tzinfo is None:
            raise ValueError("it names no time zone")
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise DecisionError(f"{instant!r} is no instant ({error})") from None


def text(instant: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond.

    >>> text(1370062800.25)
    '2013-06-01T05:00:00.250Z'
    """
    moment = datetime.fromtimestamp(instant, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_schema() -> dict[str, object]:
    """JSON Schema of decision.json; a copy lies in the package as decision.schema.json."""
    share = {"type": "number", "minimum": 0, "maximum": 1}
    instant = {"type": "string", "format": "date-time"}
    types: dict[str, object] = {
        **{name: {"type": "string"} for name in TEXTS},
        "rollout": {"type": "string", "minLength": 1},
        "models": _arms({"type": "string", "minLength": 1}),
        "weights": _arms(share),
        "issued_at": instant,
        "valid_until": instant,
        "epoch": {"type": "integer", "minimum": 1},
        "fallback": {"enum": list(get_args(Fallback))},
        "schema": {"const": SCHEMA},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Decision",
        "description": "What the traffic router does now, until when, and what after that.",
        "type": "object",
        "properties": types,
        "required": sorted(types),
        "additionalProperties": False,
    }


def _arms(values: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": dict.fromkeys(ARMS, values),
        "required": list(ARMS),
        "additionalProperties": False,
    }
