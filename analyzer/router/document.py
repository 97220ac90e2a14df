"""Weights inside a JSON file that a router or gateway watches, replaced by an atomic rename.

JSON is what Traefik and Envoy read as well (each JSON file is a YAML file), and what flagd and most
gateways of one's own take. Nothing but the weights and, for Envoy, the version is touched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    Seen,
    Unreachable,
    beside,
    ratio,
    split,
)
from analyzer.router.files import replace

Place = tuple[Any, Any]
"""An object or array and the key or index at which it holds a weight."""


class Document:
    """`arms`: a JSON pointer (RFC 6901) to each arm's weight. Weights sum to `total`."""

    name = "file"

    def __init__(self, path: str, arms: Mapping[str, str], total: int = 100) -> None:
        self.path, self.arms, self.total = Path(path), dict(arms), total

    def read(self) -> Live:
        """The weights that stand in the file."""
        raw = self._raw()
        content = self._parsed(raw)
        weights = self._agreed(self.places(content))
        others = self.others(content)
        return Live(
            weights,
            ratio(weights, sum(others.values())),
            dict.fromkeys(self.arms),
            hashlib.sha256(raw).hexdigest()[:16],
            others=beside(str(self.path), others),
        )

    def plan(self, live: Live, share: float) -> Plan:
        """Whole weights that sum to the total."""
        weights = split(live, share, self.total, str(self.path))
        command = f"replace {self.path}: " + ", ".join(
            f"{self.arms[arm]} = {weights[arm]:.0f}" for arm in self.arms
        )
        return Plan(share, weights, (command,))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """Under a lock: compare, replace, read back."""
        with self._alone():
            raw = self._raw()
            if hashlib.sha256(raw).hexdigest()[:16] != expect:
                return "conflict"
            content = self._parsed(raw)
            for arm, places in self.places(content).items():
                for holder, key in places:
                    holder[key] = int(plan.weights[arm])
            self.marked(content)
            new = json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
            try:
                replace(self.path, new)
            except OSError as error:
                raise Rejected(f"{self.path}: cannot be written ({error})") from None
            if self._raw() != new:
                raise Ambiguous(f"{self.path}: somebody else wrote at the same moment")
        return "applied"

    def engine(self, plan: Plan) -> Seen:
        """A file has no engine."""
        return "not seen"

    def served(self) -> Counts | None:
        """Nor does it count."""
        return None

    def ladder(self, live: Live) -> Sequence[Plan]:
        """There is nothing harder than a zero."""
        return ()

    def places(self, content: Any) -> dict[str, list[Place]]:
        """Where each arm's weight stands. Raises Refused where it does not."""
        return {arm: [_pointed(content, p, self.path)] for arm, p in self.arms.items()}

    def others(self, content: Any) -> dict[str, float]:
        """Weights of what gets traffic beside the arms; pointers tell of none."""
        return {}

    def marked(self, content: Any) -> None:
        """Change what else must change with the weights."""

    def _agreed(self, found: Mapping[str, list[Place]]) -> dict[str, float]:
        weights = {}
        for arm, places in found.items():
            values = {holder[key] for holder, key in places}
            if len(values) != 1 or not all(map(_is_weight, values)):
                told = sorted(map(str, values))
                raise Refused(f"{self.path}: the weight of {self.arms[arm]} reads {told}")
            weights[arm] = float(values.pop())
        return weights

    def _raw(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise Unreachable(f"{self.path}: cannot be read ({error})") from None

    def _parsed(self, raw: bytes) -> Any:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreachable(
                f"{self.path}: not JSON ({error}); a YAML reader takes JSON too, and only JSON can "
                "be changed without touching the rest"
            ) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time, among those that keep this lock."""
        try:
            handle = os.open(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise Unreachable(f"{self.path.parent}: {error}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def further(
    path: Path | str,
    splits: Iterable[Mapping[str, Mapping[str, Any]]],
    arms: Mapping[str, str],
    absent: float,
) -> dict[str, float]:
    """The largest weight of each name beside the arms; absent: what a weight that is not there
    means. Raises Refused where one is no weight.
    """
    found: dict[str, float] = {}
    for named in splits:
        for name in set(named) - set(arms.values()):
            weight = named[name].get("weight", absent)
            if not _is_weight(weight):
                raise Refused(f"{path}: the weight of {name} reads {weight!r}")
            found[name] = max(found.get(name, 0.0), float(weight))
    return found


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _pointed(content: Any, pointer: str, path: Path) -> Place:
    holder: Any = None
    key: Any = None
    here = content
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        holder, key = here, int(name) if isinstance(here, list) and name.isdigit() else name
        try:
            here = holder[key]
        except (KeyError, IndexError, TypeError):
            raise Refused(f"{path}: there is nothing at {pointer} (no {name!r})") from None
    if holder is None:
        raise Refused(f"{path}: {pointer!r} is no JSON pointer to a weight; write /like/this/0")
    return holder, key
