"""Who does the work of a scan: this process, a pool of our own, or any executor passed in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from analyzer.errors import StoreError
from analyzer.scan.halves import Half, half_of
from analyzer.scan.memory import keep_freed_memory
from analyzer.scan.slot import Slot

SMALL = 3_000_000
"""Rows below which starting processes costs more than they save: some three seconds of work."""

Task = tuple[Slot, Half]
A = TypeVar("A")
B = TypeVar("B")

KILLED = (
    "a worker process ended before its work was done, most likely for want of memory: run again "
    "with fewer jobs or a smaller [time] slot_hours (what is done is kept). From a script of your "
    "own, call it under `if __name__ == '__main__':`"
)


@contextmanager
def team(jobs: int, executor: Executor | None, rows: int) -> Iterator[Executor | None]:
    """An executor for so many rows, None for this process itself.

    One of our own is started at once, so that its workers import while this process still plans.
    """
    if executor is not None or jobs <= 1 or rows < SMALL:
        yield executor
        return
    # the server imports the kernels once; forking this process, with Arrow's threads, is unsafe
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["analyzer.scan.halves", "polars"])
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=keep_freed_memory)
    try:
        for _ in range(jobs):
            pool.submit(ready)
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def ready() -> None:
    """The task that only starts a worker."""


def ordered(slots: Sequence[Slot]) -> list[Task]:
    """The long halves one step ahead of the short ones, which then fill the gap at the end."""
    tasks: list[Task] = []
    for position, slot in enumerate(slots):
        tasks.append((slot, "pairs"))
        if position:
            tasks.append((slots[position - 1], "features"))
    return [*tasks, *((slot, "features") for slot in slots[-1:])]


def work(
    tasks: Sequence[Task], executor: Executor | None
) -> Iterator[tuple[Slot, Half, dict[str, bytes]]]:
    """Results as they come. Raises StoreError when a worker was killed."""
    if executor is None:
        for slot, half in tasks:
            yield slot, half, half_of(slot, half)
        return
    waiting: dict[Future[dict[str, bytes]], Task] = {}
    try:
        for slot, half in tasks:
            waiting[executor.submit(half_of, slot, half)] = (slot, half)
        for future in as_completed(list(waiting)):
            slot, half = waiting.pop(future)
            yield slot, half, future.result()
    except BrokenExecutor:
        raise StoreError(KILLED) from None
    finally:
        for future in waiting:
            future.cancel()


def mapped(
    function: Callable[[A], B], tasks: Sequence[A], executor: Executor | None
) -> Iterator[B]:
    """Results in the tasks' order. Raises StoreError when a worker was killed."""
    if executor is None:
        yield from map(function, tasks)
        return
    try:
        yield from executor.map(function, tasks)
    except BrokenExecutor:
        raise StoreError(KILLED) from None
