"""Segment and categorical columns: their values, how frequent they are, how to draw them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """The values of one column, the most frequent first."""

    values: tuple[str, ...]
    decay: float

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Turn uniform numbers into value codes with weights 1 / rank ** decay."""
        weights = 1.0 / np.arange(1, len(self.values) + 1) ** self.decay
        edges = (np.cumsum(weights) / weights.sum()).astype(np.float32)
        codes = np.searchsorted(edges, uniform, side="right")
        # Rounding to float32 can leave the last edge a hair below 1.
        return np.asarray(np.minimum(codes, len(self.values) - 1), dtype=np.int16)

    def effects(self, scale: float, salt: int) -> np.ndarray:
        """Return a fixed, irregular effect per value, in [-scale, scale]."""
        angle = np.arange(len(self.values)) * 2.399963 + salt
        return np.asarray(scale * np.sin(angle), dtype=np.float32)


SEGMENTS = {
    "country": Vocabulary(
        ("US", "DE", "GB", "FR", "BR", "IN", "JP", "ES", "IT", "PL", "NL", "SE"), 0.9
    ),
    "device": Vocabulary(("android", "ios", "desktop", "tablet"), 0.8),
    "channel": Vocabulary(("organic", "search", "email", "social", "affiliate", "display"), 0.7),
    "plan": Vocabulary(("free", "basic", "plus", "pro", "enterprise"), 1.0),
}
CATEGORIES = {
    "c0": Vocabulary(("card", "wallet", "transfer", "invoice", "cash"), 1.0),
    "c1": Vocabulary(tuple(f"category_{k:02d}" for k in range(40)), 0.8),
    "c2": Vocabulary(tuple(f"item_{k:03d}" for k in range(300)), 0.9),
}
