"""Writing a page where the command line says."""

from __future__ import annotations

from pathlib import Path

from analyzer.cli import common


def write(file: Path, page: bytes) -> None:
    """Write a page. Raises StoreError where that cannot be done."""
    from analyzer.errors import StoreError

    try:
        file.write_bytes(page)
    except OSError as error:
        raise StoreError(f"{file}: cannot be written ({error.strerror})") from None


def written(file: Path, page: bytes) -> None:
    """Write a page and say so on stderr, where it never mixes with data."""
    write(file, page)
    common.note(f"wrote {file} ({len(page) / 1000:,.0f} kB)")
