"""Verdicts that count, kept in the store; they are only added to.

verdicts/shadow/2013-06-04T0000Z--DIGEST.json    a verdict, its digest in its name
policies/DIGEST.json                             the thresholds that a kept verdict used
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from analyzer.errors import ConfigError, StoreError
from analyzer.phase_limits import LADDER
from analyzer.policy import Policy
from analyzer.verdict import Verdict, digest, encode
from analyzer.window import parse

NAME = re.compile(r"\d{4}-\d\d-\d\dT[\dZ]+--(?P<digest>[0-9a-f]{16})\.json")


@dataclass(frozen=True)
class Kept:
    """One verdict and the digest by which others refer to it."""

    digest: str
    verdict: Verdict

    @property
    def at(self) -> int:
        """As of when it was given, microseconds UTC."""
        return parse(self.verdict.as_of)


@dataclass(frozen=True)
class Fault:
    """A file of the chain that is not believed, and why."""

    file: str
    problem: str


@dataclass(frozen=True)
class Chain:
    """All that was kept, in order of time, phase and digest.

    policies: thresholds by digest, table by table, where they were kept.
    """

    kept: tuple[Kept, ...] = ()
    faults: tuple[Fault, ...] = ()
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, rollout: str, phase: str | None = None) -> tuple[Kept, ...]:
        """The verdicts of a rollout, of one phase or of all."""
        return tuple(
            k
            for k in self.kept
            if k.verdict.rollout == rollout and phase in (None, k.verdict.phase)
        )

    def others(self, rollout: str) -> list[str]:
        """Names of other rollouts that keep their verdicts here."""
        return sorted({k.verdict.rollout for k in self.kept} - {rollout})

    def and_then(self, verdict: Verdict, policy: Policy) -> Chain:
        """The chain as it will be once this verdict is kept, for who replays without a store."""
        found = {k.digest: k for k in (*self.kept, Kept(digest(verdict), verdict))}
        policies = {**self.policies, policy.digest: msgspec.to_builtins(policy)}
        return Chain(_in_order(list(found.values())), self.faults, policies)


def keep(store: Path, verdict: Verdict, policy: Policy) -> Path:
    """Keep a verdict in the store at `store`; returns its file. The same verdict is one file.

    Raises StoreError when it cannot be written; nothing half-written is ever read as a verdict.
    """
    content = encode(verdict)
    name = f"{verdict.as_of.replace(':', '')}--{digest(verdict)}.json"
    _write(store / "policies" / f"{policy.digest}.json", policy.content)
    return _write(store / "verdicts" / verdict.phase / name, content)


def read(store: Path) -> Chain:
    """Everything kept in a store; a file whose digest is not that of its name is a fault."""
    kept: list[Kept] = []
    faults: list[Fault] = []
    for file in sorted((store / "verdicts").glob("*/*.json")):
        found = _verdict(file)
        if isinstance(found, Kept):
            kept.append(found)
        else:
            faults.append(Fault(file.relative_to(store).as_posix(), found))
    policies = {}
    for file in sorted((store / "policies").glob("*.json")):
        content = _policy(file)
        if content is not None:
            policies[file.stem] = content
    return Chain(_in_order(kept), tuple(faults), policies)


def _in_order(kept: list[Kept]) -> tuple[Kept, ...]:
    return tuple(sorted(kept, key=lambda k: (k.at, LADDER.index(k.verdict.phase), k.digest)))


def _verdict(file: Path) -> Kept | str:
    """The verdict in a file, or what is wrong with it."""
    named = NAME.fullmatch(file.name)
    if named is None:
        return "its name holds no digest; only `analyzer gate` and `nightly` write here"
    try:
        content = file.read_bytes()
        if _digest(content) != named["digest"]:
            return "was changed after it was written"
        verdict = msgspec.json.decode(content, type=Verdict)
        at = parse(verdict.as_of), parse(verdict.valid_until)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except (msgspec.DecodeError, ConfigError) as error:
        return f"is no verdict of this version ({error})"
    if verdict.phase != file.parent.name or verdict.phase not in LADDER or at[1] < at[0]:
        return f"holds a verdict that does not belong here (phase {verdict.phase!r})"
    return Kept(named["digest"], verdict)


def _policy(file: Path) -> Mapping[str, Any] | None:
    """Thresholds, None where the file is not what its name says: then only digests compare."""
    try:
        content = file.read_bytes()
        found = msgspec.json.decode(content, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, OSError):
        return None
    return found if _digest(content) == file.stem else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _write(target: Path, content: bytes) -> Path:
    """Put a file in its place at once, whoever else writes the same one."""
    try:
        if target.exists() and target.read_bytes() == content:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, 0o644)
            os.replace(part, target)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{target}: the verdict could not be kept ({error.strerror})") from None
    return target
