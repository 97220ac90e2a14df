"""One label update in a process of its own: `python -m benchmarks.labels_once ROLLOUT.toml`."""

import json
import resource
import sys
import time

from analyzer.config import load
from analyzer.labels.update import update
from analyzer.scan.memory import keep_freed_memory


def main() -> None:
    """Update once; print seconds without the interpreter's start, label days and peak memory."""
    keep_freed_memory()
    rollout = load(sys.argv[1])
    began = time.perf_counter()
    done = update(rollout)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "made": len(done.made), "peak": peak}))


if __name__ == "__main__":
    main()
