"""`analyzer registry` against a real MLflow server with a real store."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest
from report import nights

from analyzer import verdict as verdicts
from analyzer.cli import run
from analyzer.verdict import Observed, Verdict

ROOT = Path(__file__).parents[2]
MLFLOW = ROOT / ".mlflow" / "bin" / "python"
pytestmark = pytest.mark.xdist_group("mlflow")  # one server

MODELS = {"champion": "v6", "challenger": "v7"}
TOML = """
name = "shop"
[champion]
name = "v6"
paths = ["champion/*.parquet"]
[challenger]
name = "v7"
paths = ["challenger/*.parquet"]
"""
ALIASED = 'model = "shop"\nchampion = "1"\nchallenger = "2"\n'


@contextlib.contextmanager
def serving(folder: Path, kept: str) -> Iterator[str]:
    """An MLflow server; its address. kept: where it says that artifacts are."""
    if not MLFLOW.is_file():
        raise FileNotFoundError(f"{MLFLOW} is missing: `make mlflow` installs it")
    command = [MLFLOW, Path(__file__).with_name("served.py"), folder, kept]
    log = folder / "mlflow.log"
    with log.open("wb") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=folder)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        assert port, log.read_text(encoding="utf-8")[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        if server.stdout:
            server.stdout.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that takes artifacts, with the model `shop` in versions 1 and 2."""
    with serving(tmp_path_factory.mktemp("mlflow"), "mlflow-artifacts:/") as found:
        asked(found, "registered-models/create", name="shop")
        for _ in MODELS:
            info = asked(found, "runs/create", experiment_id="0")["run"]["info"]
            source = f"{info['artifact_uri']}/model"
            told = {"name": "shop", "source": source, "run_id": info["run_id"]}
            asked(found, "model-versions/create", **told)
        yield found


def asked(address: str, path: str, **content: object) -> Any:
    """What the server itself says."""
    url = f"{address}/api/2.0/mlflow/{path}"
    body = json.dumps(content).encode() if content else None
    request = Request(url, body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def alias(address: str, name: str = "champion") -> str:
    """The version that the alias names."""
    try:
        found = asked(address, f"registered-models/alias?name=shop&alias={name}")
    except HTTPError:
        return ""
    return str(found["model_version"]["version"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(phase: str, outcome: str, **more: Any) -> Verdict:
    base = nights.verdict(["name"] * 4, ("2025-03-03T00:00Z", "2025-03-04T00:00Z"))
    seen = Observed(value=0.0005, low=0.0, high=0.001, n=9_000, method="made up")
    checks = [
        msgspec.structs.replace(base.checks[0], id="infrastructure.errors", observed=seen),
        msgspec.structs.replace(base.checks[0], id="model.of a segment?", segment="FR"),
        msgspec.structs.replace(
            base.checks[0],
            id="model.score_psi",
            observed=msgspec.structs.replace(seen, value=None, undefined="too few"),
        ),
    ]
    known = {
        "rollout": "shop",
        "phase": phase,
        "outcome": outcome,
        "models": MODELS,
        "checks": checks,
        "as_of": "2025-03-04T00:00Z",
        "headline": f"A test of {phase} é",
    }
    return msgspec.structs.replace(base, **{**known, **more})


def registry(address: str, verdict: Verdict, extra: str = "", *words: str) -> int:
    """Exit code of `analyzer registry`, for a verdict with a page beside it."""
    Path("rollout.toml").write_text(f'{TOML}[registry]\naddress = "{address}"\n{extra}')
    Path("verdict.json").write_bytes(verdicts.encode(verdict))
    Path("report.html").write_text("<p>a page</p>")
    return run(["registry", *words])


def test_a_verdict_becomes_a_run_once(
    folder: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = made("canary", "promote")
    assert registry(address, verdict, "", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["new"], told["alias"]) == (True, "")
    found = asked(address, f"runs/get?run_id={told['run']}")["run"]
    tags = {one["key"]: one["value"] for one in found["data"]["tags"]}
    assert tags["analyzer.verdict"] == verdicts.digest(verdict)
    assert (tags["analyzer.phase"], tags["analyzer.outcome"]) == ("canary", "promote")
    assert tags["mlflow.note.content"] == "A test of canary é"
    metrics = {one["key"]: one["value"] for one in found["data"]["metrics"]}
    assert metrics == {"infrastructure.errors": 0.0005}
    assert found["info"]["status"] == "FINISHED"
    for name in ("verdict.json", "report.html"):
        place = found["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        url = f"{address}/api/2.0/mlflow-artifacts/artifacts/{place}/{name}"
        with urlopen(url, timeout=30) as answer:
            assert answer.read() == Path(name).read_bytes()
    assert registry(address, verdict, "", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["run"], again["new"]) == (told["run"], False)
    experiment = asked(address, "experiments/get-by-name?experiment_name=shop")["experiment"]
    runs = asked(address, "runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    assert len(runs) == 1


def test_the_alias_follows_what_serves(
    folder: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry(address, made("ab", "promote"), ALIASED) == 0
    assert alias(address) == ""
    assert registry(address, made("full", "promote"), ALIASED) == 0
    assert "shop@champion is version 2" in capsys.readouterr().out
    assert alias(address) == "2"
    assert registry(address, made("full", "hold"), ALIASED) == 0
    assert alias(address) == "2"
    assert registry(address, made("full", "roll back"), ALIASED) == 0
    assert alias(address) == "1"
    other = 'alias = "serving"\nexperiment = "an own one"\n'
    assert registry(address, made("full", "promote"), ALIASED + other) == 0
    assert (alias(address), alias(address, "serving")) == ("1", "2")


@pytest.mark.parametrize(
    ("extra", "verdict", "code", "says"),
    [
        (ALIASED.replace('"2"', '"9"'), {}, 1, "version=9"),
        (ALIASED.replace('"shop"', '"hotels"'), {}, 1, "hotels"),
        ("", {"rollout": "hotels"}, 1, "about 'hotels'"),
        ("", {"models": {**MODELS, "challenger": "v8"}}, 1, "judged the challenger 'v8'"),
        ('model = "shop"\n', {}, 2, "needs the versions of both"),
        ('champion = "1"\n', {}, 2, "which is not named"),
        (ALIASED.replace('"2"', '"1"'), {}, 2, "both version '1'"),
        ('token_file = "gone"\n', {}, 2, "token_file cannot be read"),
        ("speed = 1\n", {}, 2, "unknown field `speed`"),
    ],
)
def test_what_is_not_recorded_is_named(
    folder: Path,
    address: str,
    capsys: pytest.CaptureFixture[str],
    extra: str,
    verdict: dict[str, Any],
    code: int,
    says: str,
) -> None:
    assert registry(address, made("full", "promote", **verdict), extra) == code
    assert says in capsys.readouterr().err


def test_nobody_there_no_section_no_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = made("full", "promote")
    assert registry("http://127.0.0.1:9", verdict) == 1
    assert "http://127.0.0.1:9/api/2.0/mlflow" in capsys.readouterr().err
    assert registry("http://mlflow.example", verdict, 'token_file = "t"\n') == 2
    assert "could be read on the way" in capsys.readouterr().err
    Path("rollout.toml").write_text(TOML)
    assert run(["registry"]) == 2
    assert "there is no [registry]" in capsys.readouterr().err
    assert registry("http://127.0.0.1:9", verdict, "", "--verdict", "gone.json") == 2
    assert "gone.json: the verdict cannot be read" in capsys.readouterr().err


def test_artifacts_that_only_the_server_can_write_are_said(
    folder: Path, address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    place = (tmp_path / "elsewhere").as_uri()
    asked(address, "experiments/create", name="old", artifact_location=place)
    assert registry(address, made("full", "promote"), 'experiment = "old"\n') == 1
    said = capsys.readouterr().err
    assert "where only the server can write" in said
    assert "--serve-artifacts" in said


def test_it_needs_no_mlflow_here() -> None:
    code = "import sys, analyzer.registry; print('mlflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
