"""KServe: `canaryTrafficPercent` of an InferenceService, whose arms are revisions.

The newest revision gets the percentage, the one rolled out before it the rest. Both are told by the
object's status only, and a percentage alone names nobody: the arms are looked up there each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analyzer.router.adapter import Refused, Seen
from analyzer.router.kubernetes_objects import Ops, entries, named, part


class InferenceService:
    """Arms are names of revisions, like `models-predictor-00002`."""

    name, group, resource = "kserve", "serving.kserve.io", "inferenceservices"
    total = 100

    def path(self, namespace: str) -> str:
        """Where the objects of a namespace are."""
        return f"/apis/{self.group}/v1beta1/namespaces/{namespace}/{self.resource}"

    def weights(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """The percentage and the rest; without one the newest revision has all."""
        self._checked(found, arms)
        percent = part(part(found, "spec"), "predictor").get("canaryTrafficPercent", 100)
        if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
            raise Refused(f"{named(found, self.resource)}: canaryTrafficPercent reads {percent!r}")
        return {"champion": 100.0 - percent, "challenger": float(percent)}

    def others(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
        """A percentage is split between two."""
        return {}

    def patch(
        self, found: Mapping[str, Any], arms: Mapping[str, str], weights: Mapping[str, float]
    ) -> Ops:
        """The percentage, a zero too: without one the newest revision would get all."""
        self._checked(found, arms)
        at = "/spec/predictor/canaryTrafficPercent"
        return [{"op": "add", "path": at, "value": int(weights["challenger"])}]

    def engine(self, found: Mapping[str, Any], arms: Mapping[str, str], share: float) -> Seen:
        """What the status says each revision gets."""
        traffic = entries(_told(found), "traffic")
        if not traffic:
            return "not seen"
        percents: dict[object, float] = dict.fromkeys(arms.values(), 0)
        for one in traffic:
            name, percent = one.get("revisionName"), one.get("percent") or 0
            if name not in percents or not isinstance(percent, int):
                return "no"
            percents[name] += percent
        wanted = round(share * 100)
        right = percents == {arms["champion"]: 100 - wanted, arms["challenger"]: wanted}
        return "ok" if right else "no"

    def notes(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> list[str]:
        """Nothing is known beyond the status."""
        return []

    def readiness(self, namespace: str, name: str) -> str:
        """The object's own status tells."""
        return ""

    def ready(self, found: Mapping[str, Any], told: Mapping[str, Any], name: str) -> bool | None:
        """The newest revision is ready when it is the newest ready one; of others nobody tells."""
        status = _told(found)
        if name == status.get("latestReadyRevision"):
            return True
        return False if name == status.get("latestCreatedRevision") else None

    def _checked(self, found: Mapping[str, Any], arms: Mapping[str, str]) -> None:
        """Raises Refused where the percentage is not the challenger's, or the rest not the
        champion's.
        """
        status, who = _told(found), named(found, self.resource)
        newest = status.get("latestCreatedRevision")
        if newest != arms["challenger"]:
            raise Refused(
                f"{who}: its newest revision is {newest!r}, not the challenger "
                f"{arms['challenger']!r}: the percentage would go to another"
            )
        # once the newest has had 100 %, the one before it is what a smaller percentage goes back to
        before = status.get("latestRolledoutRevision")
        if before == newest:
            before = status.get("previousRolledoutRevision")
        if before != arms["champion"]:
            raise Refused(
                f"{who}: the rest goes to the revision {before!r}, not to the champion "
                f"{arms['champion']!r}"
            )


def _told(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return part(part(part(found, "status"), "components"), "predictor")
