"""Steady load over kept-alive connections: half the clients keep their cookies, half never do."""

import asyncio
import time
from typing import NamedTuple


class Answer(NamedTuple):
    """One response: when its last byte came (time.monotonic), from which model, to whom."""

    at: float
    model: str
    visitor: bool


class Load:
    """`rate` requests a second by `clients` connections; even ones are visitors without cookies."""

    def __init__(self, port: int, rate: float, clients: int) -> None:
        self.port, self.period, self.clients = port, clients / rate, clients
        self.answers: list[Answer] = []
        self.failed: list[str] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._client(n)) for n in range(self.clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, number: int) -> None:
        visitor = number % 2 == 0
        next_at = time.monotonic() + self.period * number / self.clients
        cookie, reader, writer = b"", None, None
        while True:
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            next_at = max(next_at + self.period, time.monotonic())
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(b"GET / HTTP/1.1\r\nHost: models\r\n" + cookie + b"\r\n")
                async with asyncio.timeout(5):  # wait_for can swallow a cancellation
                    model, given, closes = await _answer(reader)
                self.answers.append(Answer(time.monotonic(), model, visitor))
                if given and not visitor:
                    cookie = b"Cookie: " + given + b"\r\n"
                if closes:
                    writer.close()
                    writer = None
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failed.append(repr(error))
                if writer is not None:
                    writer.close()
                writer = None


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bytes, bool]:
    """Body, cookie and whether the connection ends. Raises ValueError for anything but 200."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if b" 200 " not in lines[0] + b" ":
        raise ValueError(lines[0].decode())
    fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
    given = next((line[12:] for line in lines if line[:12].lower() == b"set-cookie: "), b"")
    body = await reader.readexactly(int(fields[b"content-length"]))
    return body.decode(), given.partition(b";")[0], fields.get(b"connection") == b"close"
