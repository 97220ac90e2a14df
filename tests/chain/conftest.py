"""A store with a little of everything, scanned once."""

import pytest
from logbook import Book, times


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """Two short healthy logs, scanned."""
    book = Book(tmp_path_factory.mktemp("small"))
    for side in ("champion", "challenger"):
        columns = {"request_id": ["a", "b"], "ts": times([0, 60]), "score": [0.1, 0.2]}
        book.write(f"{side}.parquet", columns)
    book.describe()
    book.scan()
    return book
