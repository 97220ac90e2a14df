"""The last good decision of a service, kept over its restart."""

from __future__ import annotations

from analyzer.router.decision import LARGEST, Decision, DecisionError, decode


class Memory:
    """A file that a service's processes share. It holds the newest decision that any obeyed."""

    def __init__(self, path: str) -> None:
        self.path = path

    def recall(self) -> tuple[bytes, Decision] | None:
        """The decision and its bytes, None where there is none. Raises OSError, DecisionError."""
        try:
            with open(self.path, "rb") as file:
                raw = file.read(LARGEST + 1)
        except FileNotFoundError:
            return None
        return raw, decode(raw)

    def keep(self, raw: bytes, decision: Decision) -> str:
        """Keep a decision, unless another process keeps a newer one; in words why it cannot be."""
        from pathlib import Path

        from analyzer.router.files import replace

        try:
            known = self.recall()
        except (OSError, DecisionError):
            known = None
        same = known is not None and known[1].rollout == decision.rollout
        try:
            if known is None or not same or known[1].epoch < decision.epoch:
                replace(Path(self.path), raw)
        except OSError as error:
            return f"a restarted process will not know this decision ({error})"
        return ""
