"""moto's SageMaker, made to behave like AWS: asynchronous, one change at a time, nothing wiped."""

from __future__ import annotations

import copy
from typing import Any

from botocore.exceptions import ClientError

Variants = list[dict[str, Any]]


class LikeAWS:
    """A boto3 client whose updates take `looks` looks at the endpoint to be in force."""

    def __init__(self, client: Any, looks: int = 3) -> None:
        self.client, self.looks = client, looks
        self.left = 0
        self.before: Variants = []
        self.wanted: list[list[dict[str, Any]]] = []

    def describe_endpoint(self, **asked: Any) -> dict[str, Any]:
        """While an update is under way: the wanted weights, and the current ones of before."""
        told: dict[str, Any] = copy.deepcopy(self.client.describe_endpoint(**asked))
        told["EndpointStatus"] = "Updating" if self.left else "InService"
        if self.left:
            self.left -= 1
            old = {one["VariantName"]: one["CurrentWeight"] for one in self.before}
            for one in told["ProductionVariants"]:
                one["CurrentWeight"] = old.get(one["VariantName"], one["CurrentWeight"])
        return told

    def update_endpoint_weights_and_capacities(self, **asked: Any) -> dict[str, Any]:
        """Refused while another is under way, and where nobody would be served."""
        endpoint = asked["EndpointName"]
        if self.left:
            raise invalid(f"Cannot update in-progress endpoint {endpoint!r}.")
        self.before = self.client.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        wanted = asked["DesiredWeightsAndCapacities"]
        self.wanted.append(wanted)
        weights = {one["VariantName"]: one.get("DesiredWeight", 0.0) for one in self.before}
        weights |= {one["VariantName"]: one["DesiredWeight"] for one in wanted}
        if not any(weights.values()):
            raise invalid("At least one variant must have a weight above zero.")
        # moto forgets what is left out
        counts = {one["VariantName"]: one.get("DesiredInstanceCount") for one in self.before}
        kept = [{"DesiredInstanceCount": counts[one["VariantName"]], **one} for one in wanted]
        told: dict[str, Any] = self.client.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=kept
        )
        self.left = self.looks
        return told


def invalid(message: str) -> ClientError:
    """What AWS answers to a change that it does not take."""
    told = {"Error": {"Code": "ValidationException", "Message": message}}
    answer = {**told, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "UpdateEndpointWeightsAndCapacities")  # type: ignore[arg-type]
