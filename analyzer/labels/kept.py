"""What the label join keeps of the open window between nights: requests and labels of single days.

A cache beside the fragments: it saves reading a month of logs each night, may be deleted at any
time, and drops what the open window has left behind. What each day's content was made from, and
a digest of it, is remembered for ever: that is how an old fragment is known to be up to date.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from analyzer.errors import StoreError
from analyzer.scan.freshness import Input
from analyzer.store import Store

FOLDER = "open"


class Made(Struct, frozen=True, forbid_unknown_fields=True):
    """What a day's content was made from, and a digest of it."""

    depends: str
    inputs: list[Input]
    digest: str


@dataclass(frozen=True)
class Recipe:
    """How a day's content is made: what it depends on, from which files, and the making.

    untouched: whether given files, which were not there when the content was made, change it.
    """

    depends: str
    inputs: list[Input]
    make: Callable[[], pa.Table]
    untouched: Callable[[pa.Table, set[Input]], bool] = lambda content, added: False


class Kept:
    """Days of one kind of content ("requests" or "labels"), made when they are asked for."""

    def __init__(
        self, store: Store, folder: Path, name: str, recipe: Callable[[int], Recipe]
    ) -> None:
        self.store, self.folder, self.name = store, folder, name
        self.recipe = lru_cache(maxsize=None)(recipe)
        known = store.load(f"{name}.json", dict[str, Made]) or {}
        self.known = {int(day): made for day, made in known.items()}

    def digest(self, day: int) -> str:
        """Digest of a day's content as its files are now, made again where they changed; an empty
        text where there never were any. Of files that are gone, what was counted stays.
        """
        made, recipe = self.known.get(day), self.recipe(day)
        if not recipe.inputs:
            return made.digest if made else ""
        if made and made.depends == recipe.depends:
            if made.inputs == recipe.inputs:
                return made.digest
            content, before = self._open(day), set(made.inputs)
            added = set(recipe.inputs) - before
            if before <= set(recipe.inputs) and content and recipe.untouched(content, added):
                self.known[day] = replace(made, inputs=recipe.inputs)
                return made.digest
        return self._save(day, recipe).digest

    def content(self, day: int) -> pa.Table | None:
        """A day's content, from its file or made again; None where there is nothing."""
        if not self.digest(day):
            return None
        found = self._open(day)
        if found is None and self.recipe(day).inputs:
            self._save(day, self.recipe(day))
            found = self._open(day)
        return found

    def _file(self, day: int) -> Path:
        return self.folder / f"{self.name}-{day}.arrow"

    def _open(self, day: int) -> pa.Table | None:
        try:
            source = pa.memory_map(str(self._file(day)))
            return pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowInvalid):
            return None

    def _save(self, day: int, recipe: Recipe) -> Made:
        content = recipe.make()
        target = self._file(day)
        part = target.with_name(f"{target.name}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sink = pa.OSFile(str(part), "wb")
            with sink, pa.ipc.new_file(sink, content.schema) as writer:
                writer.write_table(content.combine_chunks())
            part.replace(target)
        except OSError as error:
            raise StoreError(f"{target}: cannot be written ({error}); make room") from None
        made = Made(recipe.depends, recipe.inputs, digest_of(content))
        self.known[day] = made
        return made

    def remember(self) -> None:
        """Write down what is known of each day."""
        self.store.replace(f"{self.name}.json", {str(d): m for d, m in sorted(self.known.items())})

    def drop_before(self, day: int) -> None:
        """Delete the content of earlier days, not what is known of them."""
        for file in self.folder.glob(f"{self.name}-*.arrow*"):
            number = file.name.removeprefix(f"{self.name}-").split(".")[0]
            if not number.isdigit() or int(number) < day:
                file.unlink(missing_ok=True)


def arrays_of(content: pa.Table) -> dict[str, NDArray[Any]]:
    """The columns of a day's content as arrays."""
    return {name: content[name].to_numpy() for name in content.schema.names}


def digest_of(content: pa.Table) -> str:
    """Digest of a table's values and names."""
    found = hashlib.sha256()
    for name in content.schema.names:
        found.update(name.encode())
        for chunk in content[name].chunks:
            found.update(chunk.to_numpy(zero_copy_only=False).tobytes())
    for key, value in sorted((content.schema.metadata or {}).items()):
        found.update(key + value)
    return found.hexdigest()[:16]
