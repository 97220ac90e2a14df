"""The model registry, after the fact: a verdict as an MLflow run, the alias of what serves.

MLflow's REST API 2.0 over the standard library. It moves no traffic: `analyzer route` does. A
verdict has one run, however often it is recorded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analyzer.chain.kept import Kept
from analyzer.errors import AnalyzerError, ConfigError
from analyzer.registering import RegistryAt
from analyzer.router.http import Answered, parsed, send
from analyzer.verdict import Verdict
from analyzer.window import parse

TAG = "analyzer.verdict"
"""Holds the verdict's digest, by which its run is found again."""

SECONDS = 20.0
"""Patience for an answer: a page of some hundred kilobytes goes up."""

MOST_METRICS = 1_000
PROXIED = "mlflow-artifacts:"


class RegistryError(AnalyzerError):
    """The registry did not take what was to be recorded; the text says what and why."""


@dataclass(frozen=True)
class Recorded:
    """What the registry holds now. run, experiment: ids; new: whether the run was made for this;
    files: names of those that it holds; alias: the version that it names, empty where it was left.
    """

    run: str
    experiment: str
    new: bool
    files: tuple[str, ...]
    alias: str


def record(
    settings: RegistryAt, given: Kept, files: Mapping[str, bytes], root: str = "."
) -> Recorded:
    """Record a verdict: a run with its checks' values as metrics, `files` as artifacts, then the
    alias. root: where a relative token_file starts.

    Raises RegistryError (the server says no, or keeps artifacts where only it can write),
    RouterError (it does not answer), ConfigError (no token).
    """
    server = _Server(settings, root)
    verdict = given.verdict
    experiment = server.experiment(settings.experiment or verdict.rollout)
    run, new = server.run(experiment, given)
    server.call("runs/log-batch", run_id=run["info"]["run_id"], metrics=_metrics(verdict))
    place = str(run["info"]["artifact_uri"])
    if not place.startswith(PROXIED):
        raise RegistryError(
            f"{settings.address}: the run {run['info']['run_id']} keeps its artifacts at {place}, "
            "where only the server can write; start it with --serve-artifacts, in a new experiment"
        )
    for name, content in files.items():
        server.upload(f"{place.removeprefix(PROXIED).strip('/')}/{name}", content)
    end = parse(verdict.as_of) // 1_000
    server.call("runs/update", run_id=run["info"]["run_id"], status="FINISHED", end_time=end)
    version = _serves(settings, verdict)
    if version:
        server.call(
            "registered-models/alias", name=settings.model, alias=settings.alias, version=version
        )
    return Recorded(run["info"]["run_id"], experiment, new, tuple(files), version)


def _serves(settings: RegistryAt, verdict: Verdict) -> str:
    """The version that the alias should name; empty where this verdict does not say."""
    if verdict.outcome == "roll back":
        return settings.champion
    return settings.challenger if (verdict.phase, verdict.outcome) == ("full", "promote") else ""


def _metrics(verdict: Verdict) -> list[dict[str, object]]:
    """What the checks saw, by their id; of segments and what cannot be said nothing."""
    at = parse(verdict.as_of) // 1_000
    seen = {
        re.sub(r"[^\w\-. /]", "_", check.id)[:250]: check.observed.value
        for check in verdict.checks
        if not check.segment
    }
    return [
        {"key": key, "value": value, "timestamp": at, "step": 0}
        for key, value in sorted(seen.items())
        if value is not None and math.isfinite(value)
    ][:MOST_METRICS]


class _Server:
    """One MLflow server."""

    def __init__(self, settings: RegistryAt, root: str) -> None:
        self.address = settings.address.rstrip("/")
        self.headers = {"Content-Type": "application/json"}
        if settings.token_file:
            try:
                token = (Path(root) / settings.token_file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"[registry] token_file cannot be read ({error})") from None
            self.headers["Authorization"] = f"Bearer {token}"

    def call(self, endpoint: str, /, **asked: object) -> Any:
        """The answer of an endpoint."""
        return self._send("POST", f"mlflow/{endpoint}", json.dumps(asked).encode())

    def experiment(self, name: str) -> str:
        """Id of the experiment of that name, made where there is none."""
        try:
            found = self._send(
                "GET", f"mlflow/experiments/get-by-name?experiment_name={quote(name)}"
            )
        except RegistryError as error:
            if not isinstance(error.__cause__, Answered) or error.__cause__.code != 404:
                raise
            return str(self.call("experiments/create", name=name)["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    def run(self, experiment: str, given: Kept) -> tuple[dict[str, Any], bool]:
        """The verdict's run, and whether it is new."""
        found = self.call(
            "runs/search",
            experiment_ids=[experiment],
            filter=f"tags.`{TAG}` = '{given.digest}'",
            max_results=1,
        )
        if found.get("runs"):
            return found["runs"][0], False
        verdict = given.verdict
        tags = {
            TAG: given.digest,
            "analyzer.rollout": verdict.rollout,
            "analyzer.phase": verdict.phase,
            "analyzer.outcome": verdict.outcome,
            "analyzer.window": "/".join(verdict.window),
            **{f"analyzer.{side}": name for side, name in verdict.models.items()},
            "mlflow.note.content": verdict.headline,
        }
        made = self.call(
            "runs/create",
            experiment_id=experiment,
            run_name=f"{verdict.phase} gate as of {verdict.as_of}",
            start_time=parse(verdict.window[0]) // 1_000,
            tags=[{"key": key, "value": value[:4_000]} for key, value in tags.items()],
        )
        return made["run"], True

    def upload(self, place: str, content: bytes) -> None:
        """Put an artifact where the server keeps them."""
        self._send("PUT", f"mlflow-artifacts/artifacts/{quote(place)}", content)

    def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        url = f"{self.address}/api/2.0/{path}"
        try:
            return parsed(send(method, url, body, self.headers, seconds=SECONDS) or "{}", url)
        except Answered as error:
            raise RegistryError(f"{error}: {_said(error)}") from error


def _said(error: Answered) -> str:
    """MLflow's own words."""
    try:
        told = json.loads(error.body)
        return str(told["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return error.body[:200]
