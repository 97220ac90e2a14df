"""What a segment search asks of a segment before it names it."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """Limits of a search; the defaults are the product's.

    order: conditions in a conjunction, 1 to 3. min_rows, min_share: support, the larger counts;
    the share is of the group that effects act on, every other group needs min_rows. q: false
    discovery rate over all cells tested. min_effect: in standard deviations of a row.
    most: segments at which the search stops. threads: never change the result.
    """

    order: int = 3
    min_rows: int = 500
    min_share: float = 0.001
    q: float = 0.01
    min_effect: float = 0.05
    most: int = 20
    threads: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 3:
            raise ConfigError(f"segments: order must be 1, 2 or 3, not {self.order}")
        if self.min_rows < 2 or not 0 <= self.min_share < 1 or not 0 < self.q < 1:
            raise ConfigError("segments: min_rows >= 2, 0 <= min_share < 1 and 0 < q < 1 needed")
