"""The profile store: one folder, one manifest per slot, tables that appear all at once.

store.json              schema version and who is champion and challenger
columns.json            frozen facts of the columns (see `frozen`)
files.json              what footers said last time (a cache; may be deleted)
newest.bin              counts of the newest files (a cache of `triggers --live`; may be deleted)
slots/2013-06-01T00.json    manifest: digest, inputs, table sizes; replaced atomically
data/2013-06-01T00-DIGEST/  the slot's tables; never changed once a manifest names them
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from analyzer.errors import StoreError
from analyzer.frozen import Frozen
from analyzer.logs import LogFile
from analyzer.profile import READABLE, SCHEMA, empty, table_kind

T = TypeVar("T")

_OWN_FILES = ("store.json", "columns.json", "files.json")
_OWN_FOLDER = re.compile(r"\d{4}-\d\d-\d\dT\d\d-[0-9a-f]{16}")


class Roles(Struct, frozen=True, forbid_unknown_fields=True):
    """store.json: which logs were called champion and challenger when the store was made."""

    schema: int
    champion: str
    challenger: str


class _Version(Struct, frozen=True):
    """What store.json of any version begins with."""

    schema: int


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What one slot's profile is and what it was made from."""

    slot: str
    start: int
    end: int
    digest: str
    depends: str
    inputs: list[tuple[str, str, int, int]]
    tables: dict[str, int]


def slot_name(start: int) -> str:
    """Name of the slot that begins at `start`, microseconds UTC."""
    return datetime.fromtimestamp(start // 1_000_000, UTC).strftime("%Y-%m-%dT%H")


class Store:
    """Read and write access to one store folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether a scan has made this store."""
        return (self.path / "columns.json").exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for writing. Raises StoreError at once when another scan holds it."""
        self.roles()  # another version's store is left as it is
        with self._open_lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StoreError(
                    f"{self.path}: another scan is writing to this store "
                    f"(process {lock.read().strip() or 'unknown'}); wait for it to end"
                ) from None
            with suppress(OSError):  # a full disk: the number only serves the message above
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
            self._sweep()
            yield

    def _open_lock(self) -> TextIO:
        try:
            for folder in ("slots", "data"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            return open(self.path / "lock", "a+", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{self.path}: the store cannot be written ({error})") from None

    def _sweep(self) -> None:
        """Remove what a killed scan left: data that no manifest names, half-written files.

        Nothing else is touched: `[store] path` may point at a folder that holds other things.
        """
        named = {f"{m.slot}-{m.digest}" for m in self.manifests().values()}
        for folder in (self.path / "data").iterdir():
            if _OWN_FOLDER.fullmatch(folder.name) and folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)
        for name in _OWN_FILES:
            (self.path / f"{name}.part").unlink(missing_ok=True)
        for file in (self.path / "slots").glob("*.json.part"):
            file.unlink(missing_ok=True)

    def manifests(self) -> dict[int, Manifest]:
        """All slots by start. A manifest that cannot be read counts as absent: it is remade."""
        found = [_manifest(file) for file in sorted((self.path / "slots").glob("*.json"))]
        return {manifest.start: manifest for manifest in found if manifest is not None}

    def manifest(self, start: int) -> Manifest | None:
        """The slot that begins at `start`, microseconds UTC; None where it was not profiled."""
        return _manifest(self.path / "slots" / f"{slot_name(start)}.json")

    def intact(self, manifest: Manifest) -> bool:
        """Whether every table is there with the size it was written with."""
        folder = self._data(manifest)
        return all(
            (folder / f"{name}.parquet").is_file()
            and (folder / f"{name}.parquet").stat().st_size == size
            for name, size in manifest.tables.items()
        )

    def _data(self, manifest: Manifest) -> Path:
        return self.path / "data" / f"{manifest.slot}-{manifest.digest}"

    def save_slot(
        self,
        start: int,
        end: int,
        tables: Mapping[str, bytes],
        depends: str,
        inputs: list[tuple[str, str, int, int]],
    ) -> Manifest:
        """Write a slot's tables, then point its manifest at them.

        Raises StoreError (disk full, no permission); the slot then keeps its old tables.
        """
        hashed = hashlib.sha256()
        for name in sorted(tables):
            hashed.update(name.encode() + hashlib.sha256(tables[name]).digest())
        manifest = Manifest(
            slot_name(start),
            start,
            end,
            hashed.hexdigest()[:16],
            depends,
            inputs,
            {name: len(tables[name]) for name in sorted(tables)},
        )
        old = _manifest(self.path / "slots" / f"{manifest.slot}.json")
        folder = self._data(manifest)
        try:
            if not (folder.is_dir() and self.intact(manifest)):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                for name in sorted(tables):
                    _write(folder / f"{name}.parquet", tables[name])
            self.replace(f"slots/{manifest.slot}.json", manifest)
        except OSError as error:
            raise StoreError(
                f"{self.path}: slot {manifest.slot} could not be written ({error}); "
                "make room and run the scan again"
            ) from None
        if old is not None and old.digest != manifest.digest:
            shutil.rmtree(self._data(old), ignore_errors=True)
        return manifest

    def adopt(self, manifest: Manifest, inputs: list[tuple[str, str, int, int]]) -> None:
        """Name more files as inputs of a slot whose tables they do not change."""
        self.replace(
            f"slots/{manifest.slot}.json", msgspec.structs.replace(manifest, inputs=inputs)
        )

    def replace(self, name: str, content: object) -> None:
        """Write a JSON file at once. Raises StoreError when it cannot be written."""
        target = self.path / name
        part = target.with_name(target.name + ".part")
        try:
            _write(part, msgspec.json.format(msgspec.json.encode(content, order="sorted")) + b"\n")
            os.replace(part, target)
        except OSError as error:
            raise StoreError(
                f"{target}: cannot be written ({error}); make room and run the scan again"
            ) from None

    def load(self, name: str, kind: type[T]) -> T | None:
        """A JSON file, None where there is none. Raises StoreError when it cannot be read."""
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, OSError) as error:
            raise StoreError(
                f"{self.path / name}: cannot be read ({error}); move the store away and scan again"
            ) from None

    def roles(self) -> Roles | None:
        """Who was who when the store was made. Raises StoreError for another schema version."""
        version = self.load("store.json", _Version)
        if version is not None and version.schema not in READABLE:
            raise StoreError(
                f"{self.path}: this store has schema {version.schema}, this version reads "
                f"{READABLE[0]} to {SCHEMA}; scan into a new store (`[store] path`)"
            )
        return self.load("store.json", Roles)

    def save_roles(self, roles: Roles) -> None:
        """Remember who is who."""
        self.replace("store.json", roles)

    def frozen(self) -> Frozen | None:
        """columns.json, None before the first scan."""
        return self.load("columns.json", Frozen)

    def save_frozen(self, frozen: Frozen) -> None:
        """Write columns.json; done once."""
        self.replace("columns.json", frozen)

    def footers(self) -> dict[str, list[LogFile]]:
        """What footers said last time, per side; empty when unknown."""
        try:
            return self.load("files.json", dict[str, list[LogFile]]) or {}
        except StoreError:
            return {}

    def save_footers(self, footers: Mapping[str, list[LogFile]]) -> None:
        """Remember footers."""
        self.replace("files.json", footers)

    def read(self, manifest: Manifest, name: str) -> pa.Table:
        """One table of one slot. Raises StoreError when it is damaged."""
        if name not in manifest.tables and table_kind(name).since > 1:
            return empty(name, ["n"])
        path = self._data(manifest) / f"{name}.parquet"
        try:
            if path.stat().st_size != manifest.tables[name]:
                raise StoreError(f"{path}: is not as it was written; run `analyzer scan` again")
            # not `read_table`: its dataset machinery costs six times the reading of such a table
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                return file.read(use_threads=False)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); scan again") from None


def _manifest(path: Path) -> Manifest | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, OSError):
        return None


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def known_problems(store: Store) -> list[LogFile]:
    """Log files that the last scan could not use, as its footers said."""
    return [file for files in store.footers().values() for file in files if file.problem]
