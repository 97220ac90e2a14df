"""The Kubernetes adapter against a small API server, with kubectl as a witness."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cluster import KINDS, ZEROS, control, endpointslice, weights
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kube import Cluster, running
from kube_patch import No
from real import raised

from analyzer.errors import ConfigError
from analyzer.router import audit, change
from analyzer.router.adapter import (
    NOBODY,
    Ambiguous,
    Refused,
    Rejected,
    Unreachable,
    guarded,
)
from analyzer.router.connect import described
from analyzer.router.watch import watch
from benchmarks.rollback_drill.routers import binary

ALL = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running() as found:
        for resource, made, *_ in KINDS.values():
            found.put(resource, made())
        yield found


@ALL
def test_read_raise_roll_back(cluster: Cluster, kind: str, tmp_path: Path) -> None:
    to = control(cluster, kind, tmp_path)
    assert abs(to.adapter.read().share - 0.05) < 1e-9
    up = raised(to, 0.5)
    assert (up.outcome, up.before, up.after, up.done) == ("applied", 0.05, 0.5, True), up
    down = change.rollback(to, "a test")
    assert (down.outcome, down.after, down.done) == ("applied", 0.0, True), down
    assert weights(cluster, kind) == ZEROS[kind]
    assert change.rollback(to, "a test").outcome == "no-op"
    for ops in cluster.patches:
        assert ops[0]["path"] == "/metadata/resourceVersion"
        assert [op["op"] for op in ops].count("add") == len(ZEROS[kind])  # each one, each time
    assert audit.read(to.log).faults == ()


@ALL
def test_another_writer_is_a_conflict_and_a_status_is_none(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    to = control(cluster, kind, tmp_path)
    resource = KINDS[kind][0]
    live = to.adapter.read()
    plan = to.adapter.plan(live, 0.2)
    cluster.status(resource, "models", {"told": "a controller writes its status"})
    writes = iter(["one", "two"])

    def meanwhile() -> None:
        for text in itertools.islice(writes, 1):
            cluster.status(resource, "models", {"told": text})

    cluster.before_patch = meanwhile
    assert to.adapter.apply(plan, live.version) == "applied"  # the status is not what is wanted
    assert abs(to.adapter.read().share - 0.2) < 1e-9
    assert len(cluster.patches) == 3  # two answered 409
    assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"

    live = to.adapter.read()
    other = KINDS[kind][1]()

    def overwritten() -> None:
        cluster.put(resource, other)

    cluster.before_patch = overwritten
    assert to.adapter.apply(to.adapter.plan(live, 0.5), live.version) == "conflict"
    assert abs(to.adapter.read().share - 0.05) < 1e-9


@ALL
def test_gitops_puts_its_weights_back_and_watch_lowers_them_again(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    resource, made, *_ = KINDS[kind]
    kept = made()
    kept["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "shop"}
    cluster.put(resource, kept)
    to = control(cluster, kind, tmp_path)
    assert any("Argo CD keeps this object" in note for note in to.adapter.read().notes)
    assert change.rollback(to, "a test").done
    cluster.put(resource, kept)
    seen = watch(to)
    assert seen.share is not None
    assert abs(seen.share - 0.05) < 1e-9
    assert seen.report is not None
    assert seen.report.done
    assert to.adapter.read().share == 0.0


@ALL
def test_what_is_refused(cluster: Cluster, kind: str, tmp_path: Path) -> None:
    to = control(cluster, kind, tmp_path)
    live = to.adapter.read()
    with pytest.raises(Refused, match="cannot give the challenger"):
        to.adapter.plan(live, 0.00001)
    with pytest.raises(Refused, match=r"nothing splits between|not the challenger 'models/v8'"):
        control(cluster, kind, tmp_path, challenger="models/v8").adapter.read()
    with pytest.raises(Refused, match=r"there is no .* shop/nobody"):
        control(cluster, kind, tmp_path, backend="shop/nobody").adapter.read()
    wrong = dict.fromkeys(live.weights, -1.0)
    with pytest.raises(Rejected, match=r"422.*Invalid value"):
        to.adapter.apply(to.adapter.plan(live, 0.2)._replace(weights=wrong), live.version)
    for wrongly in (None, "5", -1, True):
        resource, made, *_ = KINDS[kind]
        found = made()
        spec = found["spec"]
        if kind == "kserve":
            spec["predictor"]["canaryTrafficPercent"] = wrongly
        else:
            (where,) = {"rules", "http", "candidates"} & set(spec)
            first = spec[where] if where == "candidates" else next(iter(spec[where][0].values()))
            first[1]["weight"] = wrongly
        cluster.put(resource, found)
        with pytest.raises(Refused, match="reads"):
            to.adapter.read()


def test_all_zero_is_an_outage_that_a_rollback_ends(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.get("httproutes", "models")
    for rule in found["spec"]["rules"]:
        for entry in rule["backendRefs"]:
            entry["weight"] = 0
    cluster.put("httproutes", found)
    to = control(cluster, "gateway-api", tmp_path)
    assert to.adapter.read().faults == [NOBODY]
    with pytest.raises(Refused, match="all weights are 0"):
        guarded(to.adapter, to.adapter.read(), 0.05)
    assert change.rollback(to, "a test").outcome == "applied"
    assert weights(cluster, "gateway-api") == [10_000, 0] * 2


def test_no_rollback_onto_a_champion_without_endpoints(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    assert to.adapter.read().ready == {"champion": None, "challenger": None}
    cluster.put("endpointslices", endpointslice("v6", ready=False))
    cluster.put("endpointslices", endpointslice("v7", ready=True))
    assert to.adapter.read().ready == {"champion": False, "challenger": True}
    assert change.rollback(to, "a test").outcome == "refused"
    assert change.rollback(to, "a test", force=True).outcome == "applied"


def test_a_rise_is_tried_by_the_server_first_and_a_fall_never_waits(
    cluster: Cluster, tmp_path: Path
) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    report = change.apply(
        to,
        "canary",
        0.2,
        reason="a test",
        verdict="x",
        expires=time.time() + 600,
        live=to.adapter.read(),
        dry_run=True,
    )
    assert report.dry_run
    assert cluster.patches == []
    assert any("dryRun=All" in line for line in cluster.asked)
    assert abs(to.adapter.read().share - 0.05) < 1e-9
    cluster.asked.clear()
    assert change.rollback(to, "a test").done
    assert not any("dryRun" in line for line in cluster.asked)


def test_an_answer_that_is_lost_is_read_again(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "gateway-api", tmp_path)
    live = to.adapter.read()
    plan = to.adapter.plan(live, 0.0)

    def lost() -> None:
        raise ConnectionAbortedError

    cluster.after_patch = lost
    with pytest.raises(Ambiguous):
        to.adapter.apply(plan, live.version)
    cluster.put("httproutes", KINDS["gateway-api"][1]())
    report = change.rollback(to, "a test")
    assert report.done
    assert to.adapter.read().share == 0.0


@pytest.mark.parametrize(
    ("code", "expected"), [(500, Ambiguous), (504, Ambiguous), (403, Rejected), (422, Rejected)]
)
def test_what_the_server_says_no_with(
    cluster: Cluster, tmp_path: Path, code: int, expected: type[Exception]
) -> None:
    to = control(cluster, "istio", tmp_path)
    live = to.adapter.read()

    def no() -> None:
        raise No(code, "Why", "the server's own words")

    cluster.before_patch = no
    with pytest.raises(expected, match=f"{code}.*the server's own words"):
        to.adapter.apply(to.adapter.plan(live, 0.0), live.version)


def test_a_server_that_is_busy_or_gone(cluster: Cluster, tmp_path: Path) -> None:
    to = control(cluster, "istio", tmp_path)
    live = to.adapter.read()

    def busy() -> None:
        raise No(429, "TooManyRequests", "later")

    cluster.before_patch = busy
    assert to.adapter.apply(to.adapter.plan(live, 0.0), live.version) == "busy"
    with running() as gone:
        away = control(gone, "istio", tmp_path)
    with pytest.raises(Unreachable):
        away.adapter.read()
    assert change.rollback(away, "a test").outcome == "unreachable"


def test_the_token_is_read_again_for_each_request(cluster: Cluster, tmp_path: Path) -> None:
    cluster.token = "first"
    (tmp_path / "token").write_text("first\n")
    to = control(cluster, "istio", tmp_path, token_file="token")
    assert to.adapter.read().share > 0
    cluster.token = "rotated"
    with pytest.raises(Rejected, match="401"):
        to.adapter.read()
    (tmp_path / "token").write_text("rotated\n")
    assert to.adapter.read().share > 0
    (tmp_path / "token").unlink()
    with pytest.raises(Unreachable, match="token: cannot be read"):
        to.adapter.read()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('backend = "models"', "is no namespace/name"),
        ('backend = "shop/../secrets"', "is no namespace/name"),
        ('token_file = "token"', "address must be https://"),
        ('ca_file = "ca.crt"', "means nothing where address is http://"),
        ('address = "kubernetes.default.svc"', "address must be a URL"),
        ('address = ""', "needs `address`"),
        ('path = "models.yml"', "`path` means nothing"),
        ("total = 50", "`total` means nothing"),
    ],
)
def test_a_router_that_cannot_be_meant(tmp_path: Path, line: str, why: str) -> None:
    lines = {
        "kind": '"istio"',
        "address": '"http://cluster:8001"',
        "backend": '"shop/models"',
        line.split(" ")[0]: line.split(" = ")[1],
    }
    file = tmp_path / "rollout.toml"
    file.write_text("[router]\n" + "\n".join(f"{k} = {v}" for k, v in lines.items()))
    with pytest.raises(ConfigError, match=why):
        described(file)


@ALL
def test_kubectl_reads_the_same_and_can_carry_out_the_plan(
    cluster: Cluster, kind: str, tmp_path: Path
) -> None:
    to = control(cluster, kind, tmp_path)
    plan = to.adapter.plan(to.adapter.read(), 0.2)
    kubectl(cluster, tmp_path, shlex.split(plan.commands[0])[1:])
    assert abs(to.adapter.read().share - 0.2) < 1e-9
    live = to.adapter.read()
    assert to.adapter.apply(to.adapter.plan(live, 0.0), live.version) == "applied"
    resource = f"{KINDS[kind][0]}.{to.adapter.split.group}"  # type: ignore[attr-defined]
    seen = json.loads(
        kubectl(cluster, tmp_path, ["-n", "shop", "get", resource, "models", "-o", "json"])
    )
    assert seen["spec"] == cluster.get(KINDS[kind][0], "models")["spec"]
    assert seen["metadata"]["generation"] == 3


def kubectl(cluster: Cluster, folder: Path, arguments: list[str]) -> str:
    """What kubectl says, with no configuration but the server's address."""
    done = subprocess.run(
        [binary("kubectl"), f"--server={cluster.address}", *arguments],
        env={"HOME": str(folder), "KUBECONFIG": str(folder / "none")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody but its owner trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")])
    now = datetime.now(UTC)
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(hosts, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "ca.crt").write_bytes(made.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder / "ca.crt", folder / "key"


def test_the_server_is_trusted_by_its_own_authority_only(tmp_path: Path) -> None:
    with running(certified(tmp_path)) as cluster:
        cluster.token = "secret"
        (tmp_path / "token").write_text("secret")
        cluster.put("httproutes", KINDS["gateway-api"][1]())
        to = control(cluster, "gateway-api", tmp_path, token_file="token", ca_file="ca.crt")
        assert change.rollback(to, "a test").done
        cluster.asked.clear()
        stranger = control(cluster, "gateway-api", tmp_path, token_file="token")
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.adapter.read()
        assert cluster.asked == []  # nor was the token told
        (tmp_path / "ca.crt").write_text("no certificate")
        with pytest.raises(Unreachable, match=r"ca\.crt: cannot be read"):
            to.adapter.read()
