"""Asking a router over HTTP: small answers, short patience."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from analyzer.router.adapter import WRITE_SECONDS, Ambiguous, Rejected, Unreachable

LARGEST = 64 << 20


def ask(url: str, *, post: bool = False) -> str:
    """The body of an answer.

    Raises Rejected (the router says no), Unreachable, and for a POST Ambiguous where it is not
    known whether it arrived.
    """
    request = Request(url, data=b"" if post else None)
    try:
        with urlopen(request, timeout=WRITE_SECONDS) as answer:
            return str(answer.read(LARGEST).decode("utf-8", "replace"))
    except HTTPError as error:
        with error:
            raise Rejected(f"{url}: {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        refused = isinstance(getattr(error, "reason", None), ConnectionRefusedError)
        kind = Ambiguous if post and not refused else Unreachable
        raise kind(f"{url}: {error}") from None


def ask_json(url: str) -> Any:
    """The same for JSON."""
    try:
        return json.loads(ask(url))
    except ValueError as error:
        raise Unreachable(f"{url}: not JSON ({error})") from None
