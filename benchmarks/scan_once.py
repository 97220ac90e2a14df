"""One scan in a process of its own: `python -m benchmarks.scan_once rollout.toml --jobs 2`."""

import argparse
import json
import time

from analyzer import config, policy
from analyzer.scan.run import scan


def main() -> None:
    """Scan, and print how long it took without the interpreter's start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    done = scan(config.load(arguments.config), policy.load(), jobs=arguments.jobs)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "rows": done.rows, "slots": len(done.scanned)}))


if __name__ == "__main__":
    main()
