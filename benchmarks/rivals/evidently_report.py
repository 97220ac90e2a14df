"""Evidently's drift report (PSI) of one half of some rows against the other, in its own venv.

Runs with Evidently's own Python: it imports nothing of this project. The reading is not timed.
"""

import json
import sys
import time

import pyarrow.dataset as ds
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def main() -> None:
    """Arguments: number of rows, numeric columns, categorical columns (comma lists), files."""
    rows, numeric, categorical = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3].split(",")
    data = ds.dataset(sys.argv[4:]).head(rows, columns=[*numeric, *categorical]).to_pandas()
    half = len(data) // 2
    began, cpu = time.perf_counter(), time.process_time()
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    reference = Dataset.from_pandas(data[:half], data_definition=definition)
    current = Dataset.from_pandas(data[half:], data_definition=definition)
    report = Report([DataDriftPreset(num_method="psi", cat_method="psi")])
    snapshot = report.run(current, reference)
    snapshot.json()
    answer = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "rows": len(data),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
