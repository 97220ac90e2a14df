"""The frozen `Diagnosis`: everything that the report shows, and nothing that it must compute."""

from __future__ import annotations

import hashlib
from inspect import cleandoc

import msgspec
from msgspec import Struct

from analyzer.diagnose.findings import (
    Coverage,
    Density,
    DrillDown,
    Feature,
    Incident,
    Latency,
    Matured,
    NullRun,
    Provenance,
    Refusal,
    Search,
    Sentence,
    Series,
)
from analyzer.errors import ConfigError
from analyzer.mix import Mix
from analyzer.onset.precursors import Precursors
from analyzer.onset.search import Onsets

DIAGNOSIS_SCHEMA = 2


class Diagnosis(Struct, frozen=True, kw_only=True):
    """One incident, as far as the logs can tell.

    mix: by measure (`score` of the challenger, `difference`), one per dimension, baseline to
    incident. onsets: when each series moved, None where no series could be searched. precursors:
    features by rank, None without features. densities: scores of both models and their
    difference, in the incident and its baseline. matured: loss by labels, by prediction day.
    """

    schema: int
    tool: str
    rollout: str
    models: dict[str, str]
    score: str
    incident: Incident
    summary: list[Sentence]
    coverage: Coverage
    onsets: Onsets | None
    series: list[Series]
    searches: list[Search]
    precursors: Precursors | None
    features: list[Feature]
    mix: dict[str, list[Mix]]
    null_run: NullRun
    densities: list[Density]
    latency: list[Latency]
    matured: Matured
    refusals: list[Refusal]
    drilldown: DrillDown | None
    provenance: Provenance


def encode(diagnosis: Diagnosis) -> bytes:
    """diagnosis.json: sorted keys, indented, the same diagnosis always the same bytes."""
    return msgspec.json.format(msgspec.json.encode(diagnosis, order="sorted"), indent=2) + b"\n"


def decode(content: bytes, name: str = "diagnosis.json") -> Diagnosis:
    """Read diagnosis.json. Raises ConfigError for what is none, or one of another version."""
    try:
        found = msgspec.json.decode(content, type=Diagnosis)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{name}: is no diagnosis of this version ({error})") from None
    if found.schema != DIAGNOSIS_SCHEMA:
        raise ConfigError(
            f"{name}: has schema {found.schema}, this version reads {DIAGNOSIS_SCHEMA}; "
            "run `analyzer diagnose` again"
        )
    return found


def digest(diagnosis: Diagnosis) -> str:
    """Digest by which a report names the diagnosis it shows."""
    return hashlib.sha256(encode(diagnosis)).hexdigest()[:16]


def json_schema() -> dict[str, object]:
    """JSON Schema of diagnosis.json; a copy lies in the package as diagnosis.schema.json."""
    schema = msgspec.json.schema(Diagnosis)
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
