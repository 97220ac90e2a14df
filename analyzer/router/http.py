"""Asking a router over HTTP: small answers, short patience."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from analyzer.router.adapter import WRITE_SECONDS, Ambiguous, Rejected, Unreachable

LARGEST = 64 << 20
NOT_SENT = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
"""After these the router has certainly heard nothing."""


class Answered(Rejected):
    """The router said no with an HTTP status, `code`; body: what it said."""

    def __init__(self, text: str, code: int, body: str) -> None:
        super().__init__(text)
        self.code, self.body = code, body


def ask(url: str, *, post: bool = False) -> str:
    """The body of an answer.

    Raises Rejected (the router says no), Unreachable, and for a POST Ambiguous where it is not
    known whether it arrived.
    """
    return send("POST" if post else "GET", url, b"" if post else None)


def ask_json(url: str) -> Any:
    """The same for JSON."""
    return parsed(ask(url), url)


def send(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
    seconds: float = WRITE_SECONDS,
) -> str:
    """The body of an answer to any request. Headers stay with the host that was meant; seconds:
    how long each step of it may take.

    Raises Answered, Unreachable, and for all but a GET Ambiguous where it is not known whether it
    arrived.
    """
    try:
        request = Request(url, data=body, method=method)
        for name, value in (headers or {}).items():
            request.add_unredirected_header(name, value)
        with urlopen(request, timeout=seconds, context=context) as answer:
            return str(answer.read(LARGEST).decode("utf-8", "replace"))
    except HTTPError as error:
        with error:
            said = error.read(LARGEST).decode("utf-8", "replace")
            raise Answered(f"{url}: {error.code} {error.reason}", error.code, said) from None
    except (OSError, ValueError) as error:
        unheard = method == "GET" or isinstance(getattr(error, "reason", None), NOT_SENT)
        kind = Unreachable if unheard else Ambiguous
        raise kind(f"{url}: {error}") from None


def parsed(text: str, url: str) -> Any:
    """JSON of an answer. Raises Unreachable where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreachable(f"{url}: not JSON ({error})") from None
