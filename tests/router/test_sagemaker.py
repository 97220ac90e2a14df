"""The SageMaker adapter through boto3 against moto, made to behave like AWS."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from aws import LikeAWS, invalid
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws
from real import MODELS, raised

from analyzer.errors import ConfigError
from analyzer.router import change
from analyzer.router.adapter import Ambiguous, Refused, Rejected, Unreachable
from analyzer.router.change import Controller
from analyzer.router.connect import described
from analyzer.router.sagemaker import SageMaker, connected

ARMS = {"champion": "v6", "challenger": "v7"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[LikeAWS]:
    """An endpoint with the challenger at 5 %."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        aws = boto3.client("sagemaker")
        for name in ARMS.values():
            aws.create_model(ModelName=name, ExecutionRoleArn="arn:aws:iam::123456789012:role/r")
        variants = [
            {
                "VariantName": name,
                "ModelName": name,
                "InitialInstanceCount": 2,
                "InstanceType": "ml.m5.large",
                "InitialVariantWeight": weight,
            }
            for name, weight in (("v6", 0.95), ("v7", 0.05))
        ]
        aws.create_endpoint_config(EndpointConfigName="models", ProductionVariants=variants)
        aws.create_endpoint(EndpointName="models", EndpointConfigName="models")
        yield LikeAWS(aws)


def control(client: object, folder: Path, **arms: str) -> Controller:
    adapter = SageMaker("models", {**ARMS, **arms}, client=client)
    return Controller(adapter, folder, "flights", MODELS, down_seconds=3.0, confirm_seconds=3.0)


def test_read_raise_roll_back(client: LikeAWS, tmp_path: Path) -> None:
    to = control(client, tmp_path)
    live = to.adapter.read()
    assert abs(live.share - 0.05) < 1e-9
    assert live.ready == {"champion": True, "challenger": True}
    up = raised(to, 0.5)
    assert (up.outcome, up.after, up.done) == ("applied", 0.5, True), up
    assert up.confirmed is not None
    assert up.confirmed[:2] == ("ok", "ok")  # believed once the update was over
    down = change.rollback(to, "a test")
    assert (down.outcome, down.after, down.done) == ("applied", 0.0, True), down
    assert change.rollback(to, "a test").outcome == "no-op"
    assert client.wanted[-1] == [
        {"VariantName": "v6", "DesiredWeight": 1.0},
        {"VariantName": "v7", "DesiredWeight": 0.0},
    ]
    counts = client.describe_endpoint(EndpointName="models")["ProductionVariants"]
    assert [one["DesiredInstanceCount"] for one in counts] == [2, 2]


def test_while_updating_a_rise_is_busy_and_a_rollback_waits(
    client: LikeAWS, tmp_path: Path
) -> None:
    to = control(client, tmp_path)
    live = to.adapter.read()
    assert to.adapter.apply(to.adapter.plan(live, 0.2), live.version) == "applied"
    client.left = 100
    updating = to.adapter.read()
    assert abs(updating.share - 0.2) < 1e-9  # what is wanted
    assert updating.notes == ("the endpoint is Updating", "the challenger still has 5.00%")
    plan = to.adapter.plan(updating, 0.5)
    assert to.adapter.apply(plan, updating.version) == "busy"
    assert to.adapter.engine(to.adapter.plan(updating, 0.2)) == "no"
    assert len(client.wanted) == 1
    client.left = 4
    down = change.rollback(to, "a test")
    assert (down.outcome, down.done) == ("applied", True), down
    assert to.adapter.read().share == 0.0


def test_a_change_that_began_between_look_and_write_is_busy(
    client: LikeAWS, tmp_path: Path
) -> None:
    to = control(client, tmp_path)
    live = to.adapter.read()
    plan = to.adapter.plan(live, 0.2)
    look = client.describe_endpoint

    def looked(**asked: object) -> dict[str, object]:
        told = look(**asked)
        client.left = 5
        return told

    client.describe_endpoint = looked  # type: ignore[method-assign]
    assert to.adapter.apply(plan, live.version) == "busy"


def test_a_third_variant_stops_a_rise_and_keeps_its_own_in_a_rollback(
    client: LikeAWS, tmp_path: Path
) -> None:
    to = control(client, tmp_path)
    look = client.describe_endpoint

    def looked(**asked: object) -> dict[str, object]:
        third = {"VariantName": "v8", "DesiredWeight": 0.25, "CurrentWeight": 0.25}
        told = look(**asked)
        return {**told, "ProductionVariants": [*told["ProductionVariants"], third]}

    client.describe_endpoint = looked  # type: ignore[method-assign]
    live = to.adapter.read()
    assert live.others == "models gives traffic to others as well: v8 (weight 0.25)"
    assert abs(live.share - 0.04) < 1e-9
    with pytest.raises(Refused, match=r"v8 .* cannot be set beside it"):
        raised(to, 0.5)
    report = change.rollback(to, "a test")
    assert (report.outcome, report.done) == ("applied", True), report
    assert client.wanted[-1] == [
        {"VariantName": "v6", "DesiredWeight": 1.0},
        {"VariantName": "v7", "DesiredWeight": 0.0},
    ]


def test_somebody_elses_weights_are_a_conflict(client: LikeAWS, tmp_path: Path) -> None:
    to = control(client, tmp_path)
    live = to.adapter.read()
    assert to.adapter.apply(to.adapter.plan(live, 0.2), live.version) == "applied"
    client.left = 0
    assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"
    assert abs(to.adapter.read().share - 0.2) < 1e-9


def test_what_is_refused(client: LikeAWS, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no variant 'v8'"):
        control(client, tmp_path, challenger="v8").adapter.read()
    to = control(client, tmp_path)
    to.adapter.endpoint = "nobody"  # type: ignore[attr-defined]
    with pytest.raises(Refused, match="there is no endpoint 'nobody'"):
        to.adapter.read()
    assert change.rollback(to, "a test").outcome == "refused"
    to = control(client, tmp_path)
    live = to.adapter.read()
    nobody = to.adapter.plan(live, 0.0)._replace(weights={"champion": 0.0, "challenger": 0.0})
    with pytest.raises(Rejected, match="above zero"):
        to.adapter.apply(nobody, live.version)


def test_an_endpoint_that_never_stops_updating_is_busy_not_unreachable(
    client: LikeAWS, tmp_path: Path
) -> None:
    client.left = 10_000
    to = control(client, tmp_path)
    report = change.rollback(dataclasses.replace(to, down_seconds=0.5), "a test")
    assert (report.outcome, report.done) == ("busy", False), report
    client.left = 3
    assert change.rollback(to, "a test").outcome == "applied"


def test_answers_that_are_lost(client: LikeAWS, tmp_path: Path) -> None:
    to = control(client, tmp_path)
    live = to.adapter.read()
    send = client.update_endpoint_weights_and_capacities

    def lost(**asked: object) -> dict[str, object]:
        send(**asked)
        raise ReadTimeoutError(endpoint_url="https://aws")

    client.update_endpoint_weights_and_capacities = lost  # type: ignore[method-assign]
    with pytest.raises(Ambiguous):
        to.adapter.apply(to.adapter.plan(live, 0.0), live.version)
    assert to.adapter.read().share == 0.0

    def no(**_: object) -> dict[str, object]:
        raise invalid("not allowed here")

    client.describe_endpoint = no  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="not allowed here"):
        to.adapter.read()


def test_nobody_at_the_address_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    gone = SageMaker("models", ARMS, "http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        gone.read()


def test_without_the_extra_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r'pip install "analyzer\[sagemaker\]"'):
        connected()


def test_without_a_region_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="region"):
        connected()


@pytest.mark.parametrize(
    ("line", "why"),
    [("", "needs `backend`"), ('path = "x"\nbackend = "m"', "`path` means nothing")],
)
def test_a_router_that_cannot_be_meant(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "rollout.toml").write_text(f'[router]\nkind = "sagemaker"\n{line}\n')
    with pytest.raises(ConfigError, match=why):
        described(tmp_path / "rollout.toml")


def test_a_dry_run_touches_nothing(client: LikeAWS, tmp_path: Path) -> None:
    to = control(client, tmp_path)
    report = change.rollback(to, "a test", dry_run=True)
    assert report.dry_run
    assert "DesiredWeight=0" in report.commands[0]
    assert client.wanted == []
