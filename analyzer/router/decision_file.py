"""decision.json as the router: what services that use our own client obey."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from analyzer.router.adapter import Live, Outcome, Plan, Refused, Rejected, Unreachable
from analyzer.router.decision import Decision, DecisionError, decode, encode
from analyzer.router.document import Document
from analyzer.router.files import replace

ARMS = {"champion": "champion", "challenger": "challenger"}


class DecisionFile(Document):
    """The file that clients poll. There is none at first: the champion serves all."""

    name = "decision"

    def __init__(self, path: str) -> None:
        super().__init__(path, ARMS)

    def read(self) -> Live:
        """The decision's weights. What is garbled is not obeyed, and can be replaced."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raw = b""
        except OSError as error:
            raise Unreachable(f"{self.path}: cannot be read ({error})") from None
        version = hashlib.sha256(raw).hexdigest()[:16]
        unknown: Mapping[str, bool | None] = dict.fromkeys(ARMS)
        try:
            found = decode(raw)
        except DecisionError as error:
            note = f"{self.path}: {error if raw else 'there is no decision'}"
            weights = {"champion": 1.0, "challenger": 0.0}
            # clients may still obey what they read before
            return Live(weights, 0.0, dict(unknown), version, (note,), clings=True)
        return Live(dict(found.weights), found.share, dict(unknown), version)

    def plan(self, live: Live, share: float) -> Plan:
        """Any share will do."""
        weights = {"champion": 1 - share, "challenger": share}
        return Plan(share, weights, (f"replace {self.path}: challenger {share:g}",))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """Under a lock: compare, replace."""
        if plan.decision is None:
            raise Refused("a decision file needs the decision itself")
        with self._alone():
            if self.read().version != expect:
                return "conflict"
            try:
                replace(self.path, encode(self._newer(plan.decision)))
            except OSError as error:
                raise Rejected(f"{self.path}: cannot be written ({error})") from None
        return "applied"

    def _newer(self, decision: Decision) -> Decision:
        """With an epoch beyond the file's: clients do not obey an older or equal one. At 0 % with
        the file's models: nor one about models that they do not know.
        """
        try:
            there = decode(self.path.read_bytes())
        except (OSError, DecisionError):
            return decision
        models = decision.models if decision.share else there.models
        return decision._replace(epoch=max(decision.epoch, there.epoch + 1), models=models)
