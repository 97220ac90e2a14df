"""Traefik's file provider: a weighted service in a JSON file, seen again through Traefik's API.

A second change within two seconds waits for the provider's throttle; a service of weight 0 loses
its clients at once, whatever their cookies say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analyzer.router.adapter import (
    Counts,
    Live,
    Plan,
    Refused,
    RouterError,
    Seen,
    ratio,
)
from analyzer.router.document import Document, Place, further
from analyzer.router.http import ask, ask_json

TOTAL = 10_000
COUNTER = re.compile(
    r'^traefik_service_requests_total\{.*\bservice="([^"]+)@file".*\} (\S+)$', re.M
)


class Traefik(Document):
    """`service`: the weighted service; arms: services that it names. `address`: of the API."""

    name = "traefik"

    def __init__(self, path: str, service: str, arms: Mapping[str, str], address: str = "") -> None:
        super().__init__(path, arms, TOTAL)
        self.service, self.address = service, address.rstrip("/")

    def read(self) -> Live:
        """The file's weights, and whether Traefik answers; a rollback does without."""
        live = super().read()
        try:
            if self.address:
                ask(f"{self.address}/api/version")
        except RouterError as error:
            return live._replace(notes=(str(error),), reachable=False)
        return live

    def places(self, content: Any) -> dict[str, list[Place]]:
        """The weights of the weighted service."""
        named = self._named(content)
        if not set(named) >= set(self.arms.values()):
            raise Refused(
                f"{self.path}: {self.service} splits between {', '.join(sorted(named))}, "
                f"not between {' and '.join(self.arms.values())}"
            )
        return {arm: [(named[name], "weight")] for arm, name in self.arms.items()}

    def others(self, content: Any) -> dict[str, float]:
        """Further services of the weighted service."""
        return further(self.path, [self._named(content)], self.arms, absent=1)

    def _named(self, content: Any) -> dict[str, dict[str, Any]]:
        try:
            told = content["http"]["services"][self.service]["weighted"]["services"]
            return {one["name"]: one for one in told}
        except (KeyError, TypeError):
            raise Refused(f"{self.path}: there is no weighted service {self.service!r}") from None

    def engine(self, plan: Plan) -> Seen:
        """The weights that Traefik runs on."""
        if not self.address:
            return "not seen"
        told = ask_json(f"{self.address}/api/http/services/{self.service}@file")
        services = told.get("weighted", {}).get("services", [])
        named = {one["name"].partition("@")[0]: float(one.get("weight", 1)) for one in services}
        weights = {arm: named.get(name, 0.0) for arm, name in self.arms.items()}
        return "ok" if abs(ratio(weights) - plan.share) < 1e-9 else "no"

    def served(self) -> Counts | None:
        """Requests per service, where the metrics are switched on with their services' names."""
        if not self.address:
            return None
        try:
            told = ask(f"{self.address}/metrics")
        except RouterError:
            return None
        counts = dict.fromkeys(self.arms, 0)
        names = {name: arm for arm, name in self.arms.items()}
        for service, value in COUNTER.findall(told):
            if service in names:
                counts[names[service]] += int(float(value))
        return Counts(**counts) if any(counts.values()) else None
