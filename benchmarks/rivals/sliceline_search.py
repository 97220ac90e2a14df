"""SliceLine's search of the same rows, in its own venv.

Runs with sliceline's own Python: it imports nothing of this project. Making and reading the rows
is not timed. SliceLine minimises a score of non-negative errors: it gets |difference|.
"""

import json
import resource
import sys
import time

import numpy as np
from sliceline.slicefinder import Slicefinder


def main() -> None:
    """Arguments: an .npz file with codes (rows, columns) and values, rows to use, gigabytes."""
    most = int(float(sys.argv[3]) * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    data, rows = np.load(sys.argv[1]), int(sys.argv[2])
    codes, errors = data["codes"][:rows].astype(np.int64), np.abs(data["values"][:rows])
    support = max(500, rows // 1000)
    began, cpu = time.perf_counter(), time.process_time()
    finder = Slicefinder(alpha=0.95, k=20, max_l=3, min_sup=support, verbose=False)
    failed = ""
    try:
        finder.fit(codes, errors)
    except MemoryError:
        failed = f"needs more than {sys.argv[3]} GB"
    answer = {
        "failed": failed,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "rows": len(codes),
        "slices": [] if failed else np.asarray(finder.top_slices_).astype(str).tolist()[:5],
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
