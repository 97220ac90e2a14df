"""Our feature tables alone, of the champion's log: `python -m benchmarks.rivals.feature_tables`.

One process; unlike the rivals' figure the time includes reading and decoding the files.
"""

import argparse
import json
import time
from concurrent.futures import Executor, Future

from analyzer import config, policy
from analyzer.scan.features import feature_tables
from analyzer.scan.run import scan
from analyzer.scan.slot import Slot


class Catcher(Executor):
    """Takes the scan's tasks without doing them, to know its slots."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []

    def submit(self, kernel: object, slot: Slot, half: str) -> Future:
        """Remember the slot; answer with no tables, so that nothing is saved."""
        if half == "features":
            self.slots.append(slot)
        future: Future = Future()
        future.set_result({})
        return future


def main() -> None:
    """Count the features of every slot of a log whose store is empty."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    catcher = Catcher()
    scan(config.load(parser.parse_args().config), policy.load(), executor=catcher)
    began, cpu = time.perf_counter(), time.process_time()
    for slot in catcher.slots:
        feature_tables(slot, "champion")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
