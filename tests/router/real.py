"""Real routers for the tests, their controllers, and requests through them."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that tests may `from benchmarks import ...`

from analyzer.router import change
from analyzer.router.adapter import Live
from analyzer.router.connect import controller_of
from analyzer.router.controller import Controller
from analyzer.routing import RouterAt
from benchmarks.rollback_drill.routers import Files, Running, running

MODELS = {"champion": "v6", "challenger": "v7"}


@contextmanager
def started(
    files: Files, folder: Path, served: dict[str, int], **settings: object
) -> Iterator[tuple[Running, Controller]]:
    """A real router with the challenger at 5 %, and its controller, as `controller` makes it."""
    with running(files, folder, served) as router:
        yield router, controller(router, **settings)  # type: ignore[arg-type]


def controller(router: Running, *, idle: bool = False, **settings: object) -> Controller:
    """A new controller, as another `analyzer route` would have. idle: nobody asks the router in
    this test, so there is no traffic to wait for.
    """
    found = msgspec.convert({**router.settings, **settings}, RouterAt)
    made = controller_of(found, str(router.folder), "flights", MODELS)
    return dataclasses.replace(made, quiet_seconds=0.2) if idle else made


class Load:
    """Clients with kept-alive connections and their cookies, asking steadily in threads."""

    def __init__(self, port: int, clients: int = 8, pause: float = 0.01) -> None:
        self.port, self.pause = port, pause
        self.answers: list[tuple[float, str]] = []
        self.failed: list[str] = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def served(self, since: float = 0.0) -> dict[str, int]:
        """Answers of each model since a moment of time.monotonic()."""
        names = [name for at, name in list(self.answers) if at >= since]
        return {name: names.count(name) for name in ("v6", "v7")}

    def share(self, seconds: float) -> float:
        """The challenger's share of the answers in the next `seconds`."""
        since = time.monotonic()
        time.sleep(seconds)
        found = self.served(since)
        return found["v7"] / max(sum(found.values()), 1)

    def _client(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        cookie = ""
        while not self._done.wait(self.pause):
            try:
                connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
                answer = connection.getresponse()
                body = answer.read().decode()
                cookie = (answer.getheader("Set-Cookie") or cookie).partition(";")[0]
                if answer.status != 200:
                    self.failed.append(f"{answer.status}")
                else:
                    self.answers.append((time.monotonic(), body))
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
        connection.close()


def raised(to: Controller, share: float, live: Live | None = None) -> change.Report:
    """The share applied as a canary's verdict would have it."""
    return change.apply(
        to,
        "canary",
        share,
        reason="a test",
        verdict=f"{share:016g}",
        expires=time.time() + 600,
        live=live or to.adapter.read(),
    )
