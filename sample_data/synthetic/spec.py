"""What to generate: one frozen description, the same for every process."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from .plants import Plant

US_PER_MINUTE = 60_000_000
MINUTES_PER_DAY = 1_440
US_PER_DAY = US_PER_MINUTE * MINUTES_PER_DAY


@dataclass(frozen=True)
class Spec:
    """Size, shape and planted incidents of one set of logs."""

    pairs: int
    days: int
    seed: int
    start: date
    users: int
    features: int = 20
    float64: bool = False
    string_ids: bool = True
    challenger_features: bool = False
    labels: bool = False
    plants: tuple[Plant, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        if self.pairs < 1 or self.days < 1 or self.users < 1:
            raise ValueError("pairs, days and users must be at least 1")
        if not 0 <= self.features <= 100:
            raise ValueError(f"features must be between 0 and 100, not {self.features}")
        for plant in self.plants:
            plant.check(self.features, self.days)
            if plant.kind == "parity" and not self.challenger_features:
                raise ValueError("the plant 'parity' needs challenger_features")

    @property
    def start_us(self) -> int:
        """First microsecond of the logs, since 1970 UTC."""
        midnight = datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)
        return int(midnight.timestamp()) * 1_000_000

    def as_truth(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values, without the plants."""
        plain = asdict(self)
        plain.pop("plants")
        return {**plain, "start": self.start.isoformat()}
