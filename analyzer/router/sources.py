"""Where a client reads its decision: a file, or an address over HTTP."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

from analyzer.router.decision import LARGEST

FETCH_SECONDS = 2.0


class Source(Protocol):
    """Gives the bytes of the decision that is there now. Raises OSError where it cannot."""

    def read(self) -> bytes:
        """At most one byte more than the largest decision."""


class FileSource:
    """A file, read whole each time: some microseconds a poll, and no change is ever missed."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> bytes:
        """The file's bytes."""
        with open(self.path, "rb", buffering=0) as file:
            return file.read(LARGEST + 1)


class UrlSource:
    """An address. A call never waits for the network: it takes what the last fetch brought and
    starts the next, a short-lived thread. A fork therefore loses nothing that a child needs.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fetched: bytes | OSError = OSError("nothing was fetched yet")
        self._busy = False
        _URLS.add(self)
        self._fetch()

    def read(self) -> bytes:
        """What the last fetch brought."""
        if not self._busy:
            self._busy = True
            try:
                threading.Thread(target=self._fetch, daemon=True).start()
            except RuntimeError as error:  # no thread to be had, or the interpreter ends
                self._busy = False
                self._fetched = OSError(str(error))
        if isinstance(self._fetched, OSError):
            raise self._fetched
        return self._fetched

    def _fetch(self) -> None:
        from http.client import HTTPException
        from urllib.request import urlopen

        try:
            with urlopen(self.url, timeout=FETCH_SECONDS) as answer:
                self._fetched = answer.read(LARGEST + 1)
        except (OSError, HTTPException, ValueError) as error:
            self._fetched = OSError(f"{self.url}: {error}")
        finally:
            self._busy = False


_URLS: WeakSet[UrlSource] = WeakSet()


def _after_fork() -> None:
    for source in _URLS:
        source._busy = False  # the fetching thread stayed with the parent


os.register_at_fork(after_in_child=_after_fork)


def source_of(where: str | os.PathLike[str]) -> Source:
    """The source that a path or an address means."""
    named = os.fspath(where)
    return UrlSource(named) if named.startswith(("http://", "https://")) else FileSource(named)
