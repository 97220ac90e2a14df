"""What a page is made of. Pages are built from these and turned into HTML by one template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

Text = str | Markup
"""Plain text is escaped by the template; Markup was escaped where it was made."""


@dataclass(frozen=True)
class Head:
    """A table's column. kind: words, numbers (set to the right) or a picture."""

    text: Text
    kind: Literal["words", "number", "picture"] = "words"


@dataclass(frozen=True)
class Table:
    """Rows under a caption. first: how many rows are open, the rest unfold; None: all.

    stacked: on a phone each row becomes a card. dense: hundreds of rows of numbers, written in
    half the bytes. The first column names its row.
    """

    caption: Text
    heads: Sequence[Head]
    rows: Sequence[Sequence[Text]]
    first: int | None = None
    stacked: bool = False
    folded: str = ""
    dense: bool = False
    block: str = "table"

    @property
    def open_rows(self) -> Sequence[Sequence[Text]]:
        """Rows that are seen at once."""
        return self.rows if self.first is None else self.rows[: self.first]

    @property
    def more_rows(self) -> Sequence[Sequence[Text]]:
        """Rows behind the fold."""
        return [] if self.first is None else self.rows[self.first :]


@dataclass(frozen=True)
class Figure:
    """A chart, what it says in words, and its numbers. narrow: the same for a phone."""

    title: Text
    says: str
    wide: Markup
    narrow: Markup | None = None
    legend: Sequence[Markup] = ()
    note: Text = ""
    table: Table | None = None
    level: int = 3
    block: str = "figure"


@dataclass(frozen=True)
class Gallery:
    """Charts side by side under one legend. wide: two in a row, not three."""

    figures: Sequence[Figure]
    title: Text = ""
    legend: Sequence[Markup] = ()
    wide: bool = False
    block: str = "gallery"


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    pairs: Sequence[tuple[Text, Text]]
    title: str = ""
    block: str = "facts"


@dataclass(frozen=True)
class Lines:
    """Sentences. listed: as a list with points."""

    lines: Sequence[Text]
    title: str = ""
    listed: bool = False
    block: str = "lines"


Block = Table | Figure | Gallery | Facts | Lines


@dataclass(frozen=True)
class Section:
    """A part of the page. how: commands that give its numbers again."""

    id: str
    title: str
    lead: Text
    blocks: Sequence[Block]
    how: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """A question of the first screen and its answer."""

    question: str
    lines: Sequence[Text]
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """A whole page. tone: how its headline is set; talkative: its answers are whole sentences."""

    title: str
    eyebrow: Text
    headline: Text
    tone: str
    lead: Text
    answers: Sequence[Answer]
    sections: Sequence[Section]
    footer: Sequence[Text] = field(default_factory=tuple)
    talkative: bool = False
