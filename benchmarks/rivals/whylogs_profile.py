"""whylogs' profile of some rows, in its own venv.

Runs with whylogs' own Python: it imports nothing of this project. The reading is not timed.
"""

import json
import sys
import time

import pyarrow.dataset as ds
import whylogs


def main() -> None:
    """Arguments: number of rows, numeric columns, categorical columns (comma lists), files."""
    rows, columns = int(sys.argv[1]), [*sys.argv[2].split(","), *sys.argv[3].split(",")]
    data = ds.dataset(sys.argv[4:]).head(rows, columns=columns).to_pandas()
    began, cpu = time.perf_counter(), time.process_time()
    whylogs.log(data).view().serialize()
    answer = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "rows": len(data),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
