"""AWS SageMaker: weights of an endpoint's production variants, through boto3 (an optional extra).

A change takes seconds in which the endpoint is `Updating` and takes no other. The wanted weights
are read back at once, the current ones are the engine's word. AWS has no compare-and-set: the
version is compared just before the write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from analyzer.errors import ConfigError
from analyzer.router.adapter import (
    CONNECT_SECONDS,
    TOLERANCE,
    WRITE_SECONDS,
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
    handed_back,
    ratio,
)

INSTALL = (
    'kind = "sagemaker" needs boto3, which is not installed: pip install "analyzer[sagemaker]"'
)


class SageMaker:
    """An endpoint and its two variants. client: boto3's; without one, the one of AWS's own
    configuration (environment, profile, role), at `address` where that is given.
    """

    name = "sagemaker"

    def __init__(
        self, endpoint: str, arms: Mapping[str, str], address: str = "", client: Any = None
    ) -> None:
        self.endpoint, self.arms = endpoint, dict(arms)
        self.client = client or connected(address)

    def read(self) -> Live:
        """The wanted weights; notes tell what still differs."""
        told = self._described()
        named = self._variants(told)
        weights = {arm: _weight(one, "DesiredWeight") for arm, one in named.items()}
        others = _others(told, self.arms)
        current = ratio({arm: _weight(one, "CurrentWeight") for arm, one in named.items()})
        status = str(told.get("EndpointStatus"))
        notes = [] if status == "InService" else [f"the endpoint is {status}"]
        if abs(current - ratio(weights)) > TOLERANCE:
            notes.append(f"the challenger still has {current:.2%}")
        return Live(
            weights,
            ratio(weights, sum(others.values())),
            {arm: _ready(one) for arm, one in named.items()},
            _version(told),
            tuple(notes),
            others=beside(self.endpoint, others),
        )

    def plan(self, live: Live, share: float) -> Plan:
        """Both variants' weights, which sum to 1; instances are left as they are."""
        whole = {"champion": round(1 - share, 9), "challenger": round(share, 9)}
        weights = handed_back(live) or whole
        wanted = " ".join(
            f"VariantName={self.arms[arm]},DesiredWeight={weight:g}"
            for arm, weight in weights.items()
        )
        command = (
            "aws sagemaker update-endpoint-weights-and-capacities "
            f"--endpoint-name {self.endpoint} --desired-weights-and-capacities {wanted}"
        )
        return Plan(share, weights, (command,))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """One request; busy while an earlier change is under way."""
        from botocore.exceptions import BotoCoreError, ClientError

        told = self._described()
        self._variants(told)
        if _version(told) != expect:
            return "conflict"
        if told.get("EndpointStatus") != "InService":
            return "busy"
        wanted = [
            {"VariantName": self.arms[arm], "DesiredWeight": weight}
            for arm, weight in plan.weights.items()
        ]
        try:
            self.client.update_endpoint_weights_and_capacities(
                EndpointName=self.endpoint, DesiredWeightsAndCapacities=wanted
            )
        except ClientError as error:
            if _code(error).startswith("Throttling") or self._busy():
                return "busy"
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
                raise Ambiguous(f"{self.endpoint}: {error}") from None
            raise Rejected(f"{self.endpoint}: {error}") from None
        except BotoCoreError as error:
            raise _silent(self.endpoint, error, sent=True) from None
        return "applied"

    def engine(self, plan: Plan) -> Seen:
        """The weights in force, once the update is over."""
        told = self._described()
        now = {arm: _weight(v, "CurrentWeight") for arm, v in self._variants(told).items()}
        in_force = abs(ratio(now) - plan.share) < TOLERANCE and any(now.values())
        return "ok" if in_force and told.get("EndpointStatus") == "InService" else "no"

    def served(self) -> Counts | None:
        """CloudWatch counts by the minute and minutes late: too late to believe a change by."""
        return None

    def ladder(self, live: Live) -> Sequence[Plan]:
        """There is nothing harder than a zero."""
        return ()

    def _described(self) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found: dict[str, Any] = self.client.describe_endpoint(EndpointName=self.endpoint)
            return found
        except ClientError as error:
            if "could not find" in str(error).lower():
                raise Refused(f"there is no endpoint {self.endpoint!r} ({error})") from None
            raise Unreachable(f"{self.endpoint}: {error}") from None
        except BotoCoreError as error:
            raise _silent(self.endpoint, error, sent=False) from None

    def _busy(self) -> bool:
        """Whether somebody else's change began between our look and our write."""
        return self._described().get("EndpointStatus") != "InService"

    def _variants(self, told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        named = {one["VariantName"]: one for one in told.get("ProductionVariants") or []}
        for arm, name in self.arms.items():
            if name not in named:
                known = ", ".join(sorted(named)) or "none"
                raise Refused(f"{self.endpoint}: no variant {name!r} ({arm}); it has {known}")
        return {arm: named[name] for arm, name in self.arms.items()}


def connected(address: str = "") -> Any:
    """boto3's client with short patience and no tries of its own.

    Raises ConfigError where boto3 or AWS's configuration is missing.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigError(INSTALL) from None
    patience = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=WRITE_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    try:
        return boto3.client("sagemaker", endpoint_url=address or None, config=patience)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"AWS's own configuration is not enough: {error}") from None


def _weight(variant: Mapping[str, Any], key: str) -> float:
    return float(variant.get(key) or 0.0)


def _others(told: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, float]:
    """Weights of further variants, wanted or still in force."""
    return {
        one["VariantName"]: max(_weight(one, "DesiredWeight"), _weight(one, "CurrentWeight"))
        for one in told.get("ProductionVariants") or []
        if one["VariantName"] not in arms.values()
    }


def _ready(variant: Mapping[str, Any]) -> bool | None:
    """Whether instances run; a serverless variant has none to count."""
    count = variant.get("CurrentInstanceCount")
    return None if count is None else count > 0


def _version(told: Mapping[str, Any]) -> str:
    wanted = sorted(
        (str(one.get("VariantName")), _weight(one, "DesiredWeight"))
        for one in told.get("ProductionVariants") or []
    )
    content = [told.get("EndpointConfigName"), str(told.get("LastModifiedTime")), wanted]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _silent(endpoint: str, error: Exception, sent: bool) -> Unreachable | Ambiguous:
    """No answer: after a write that may have arrived, nobody knows what holds."""
    from botocore import exceptions

    never = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.NoCredentialsError,
    )
    kind = Ambiguous if sent and not isinstance(error, never) else Unreachable
    return kind(f"{endpoint}: {error}")
