"""What is wrong with the logs of proxies, and late labels for which there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from analyzer.check.finding import Finding
from analyzer.check.labels import labels
from analyzer.config import Rollout
from analyzer.labels.proxies.signals import proxy_rollout
from analyzer.logs import LogFile, Side
from analyzer.policy import Policy

_WORD = re.compile(r"(?<!['.])\blabel(s?)\b(?!')")
"""The word, not the column that is called so."""


def proxies(
    rollout: Rollout, policy: Policy, predictions: dict[Side, list[LogFile]]
) -> list[Finding]:
    """Findings about every proxy's log, by the rules of labels; a note where labels come late and
    nothing stands in for them.
    """
    found = list(_lacking(rollout, policy))
    for name in sorted(rollout.proxies):
        asked = proxy_rollout(rollout, name)
        found += [_of(name, one) for one in labels(asked, predictions, classes=False)]
    return found


def _of(name: str, found: Finding) -> Finding:
    def said(text: str) -> str:
        return _WORD.sub(r"signal\1", text.replace("[labels", f"[proxies.{name}"))

    log = f"proxy {name}"
    return replace(found, log=log, problem=said(found.problem), remedy=said(found.remedy))


def _lacking(rollout: Rollout, policy: Policy) -> Iterator[Finding]:
    days = rollout.labels.open_days
    if rollout.labels.paths and not rollout.proxies and days >= policy.proxy.delayed_days:
        yield Finding(
            "note",
            "labels",
            "",
            "",
            None,
            f"labels are waited for {days} days (open_days) and no proxy stands in for them",
            "if they do come that late, describe a fast signal under [proxies.NAME]",
        )
