"""Where a diagnosis is kept: diagnosis.json, its page and the sums of its drill-down."""

from __future__ import annotations

from pathlib import Path

from analyzer.config import Rollout
from analyzer.diagnose.analysis import Diagnosed
from analyzer.diagnose.diagnosis import Diagnosis, encode
from analyzer.errors import StoreError
from analyzer.report.incident import report


def folder_of(rollout: Rollout, diagnosis: Diagnosis) -> Path:
    """diagnoses/START--END in the store."""
    start, end = (instant.replace(":", "") for instant in diagnosis.incident.window)
    return rollout.store_path / "diagnoses" / f"{start}--{end}"


def save(found: Diagnosed, folder: Path) -> tuple[str, ...]:
    """Write drilldown.parquet, diagnosis.json and report.html, each all at once; their names.

    The sums come first, so that a diagnosis never names what is not there. Raises StoreError
    where the folder cannot be written.
    """
    contents = {
        "drilldown.parquet": found.drilldown,
        "diagnosis.json": encode(found.diagnosis),
        "report.html": report(found.diagnosis),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error})") from None
    return tuple(str(folder / name) for name in contents)
