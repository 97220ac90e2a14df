"""Parquet parts in row groups of a fixed size, however the rows arrive."""

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 120_000
_DICTIONARY = ["country", "device", "channel", "plan", "c0", "c1", "c2", "unit_id"]


class PartWriter:
    """Write one part; hold back less than a row group of rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> "PartWriter":
        """Make the folder; the file is opened with the first table's schema."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is held back and close the file."""
        if self._writer is not None:
            if error is None and self._rows:
                self._flush(pa.concat_tables(self._held))
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Add rows; full row groups go to the file at once."""
        if self._writer is None:
            self._writer = _open(self._path, table.schema)
        self._held.append(table)
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            held = pa.concat_tables(self._held)
            whole = self._rows - self._rows % ROW_GROUP
            self._flush(held.slice(0, whole))
            self._held, self._rows = [held.slice(whole)], self._rows - whole

    def _flush(self, table: pa.Table) -> None:
        assert self._writer is not None
        self._writer.write_table(table.unify_dictionaries(), row_group_size=ROW_GROUP)


def _open(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Without the Arrow schema in the footer, readers see plain strings, as from any other tool.
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in _DICTIONARY if name in schema.names],
        store_schema=False,
    )
