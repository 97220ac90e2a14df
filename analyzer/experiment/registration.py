"""The pre-registration of an experiment: what was promised before the first result was seen."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from analyzer.design import Experiment
from analyzer.errors import ConfigError

FILE = "registration.json"


class Registration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Written by `analyzer experiment plan`; `analyze` demands it.

    design: digest of arms, metrics, roles, margins. n_star: planned units of both arms; n_final:
    those that the one test at the planned end needs, None: n_star. start, end: first day and the
    day after the last, ISO dates UTC. sequence_alpha, final_alpha: how the allowed error is split
    between reading at any time and the one final test.
    """

    rollout: str
    primary: str
    design: str
    weight: float
    weight_reason: str
    min_effect: float
    alpha: float
    power: float
    sequence_alpha: float
    final_alpha: float
    n_star: int
    start: str
    end: str
    n_final: int | None = None

    @property
    def needed(self) -> int:
        """Units of both arms below which nothing is promoted."""
        return self.n_star if self.n_final is None else self.n_final

    @property
    def days(self) -> tuple[int, int]:
        """First day and the day after the last, since 1970."""
        return _day(self.start), _day(self.end)

    @property
    def digest(self) -> str:
        """By which a verdict names this registration."""
        return hashlib.sha256(encode(self)).hexdigest()[:16]


def _day(text: str) -> int:
    from datetime import date

    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def encode(registration: Registration) -> bytes:
    """The file's bytes: sorted keys, the same registration always the same."""
    return msgspec.json.format(msgspec.json.encode(registration, order="sorted"), indent=2) + b"\n"


def design_digest(design: Experiment) -> str:
    """Digest of what must not change once results may be seen: arms, metrics, split.

    Keys that metrics got later count where they say something: a plan made before stays the same.
    """
    metrics = msgspec.to_builtins(dict(sorted(design.metrics.items())))
    for metric in metrics.values():
        for key, default in (("of", "units"), ("ignore_zeros", False)):
            if metric[key] == default:
                del metric[key]
    parts = (design.champion, design.challenger, design.weight, list(metrics.items()))
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


def load(path: Path) -> Registration:
    """Read a registration. Raises ConfigError where there is none or it cannot be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Registration)
        days = found.days
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: the experiment was not registered; run `analyzer experiment plan` before it "
            "starts: effects are only read against what was planned"
        ) from None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    if days[1] <= days[0]:
        raise ConfigError(f"{path}: end {found.end} does not lie after start {found.start}")
    return found


def save(path: Path, registration: Registration) -> None:
    """Write a registration where there is none. Raises ConfigError where there is another."""
    content = encode(registration)
    try:
        if path.exists():
            if path.read_bytes() == content:
                return
            raise ConfigError(
                f"{path}: another plan is registered; a plan is not changed once it is made. "
                "Move the file away to begin a new experiment"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error})") from None
