"""Two models of the same truth: they share most of what they know, and differ in the rest."""

import numpy as np

from .vocabulary import CATEGORIES, SEGMENTS

# Measured on a million unplanted pairs with the default features; planted effects are stated
# in these units, so that the same plant means the same shift in logs of any size.
SD_SCORE = 0.20
SD_DIFFERENCE = 0.064
SEGMENT_EFFECTS = {"country": 0.4, "device": 0.25, "channel": 0.3, "plan": 0.4}


def logits(
    latent: list[np.ndarray], segments: dict[str, np.ndarray], categories: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the log odds of the champion, the challenger and the truth.

    A null feature arrives as latent 0: both models impute the mean.
    """
    x = latent + [np.zeros(1, dtype=np.float32)] * (8 - len(latent))
    common = _common(x, segments)
    item = CATEGORIES["c2"].effects(0.12, 5)[categories["c2"]]
    champion = common + 0.21 * x[4] + 0.08 * x[6]
    challenger = 1.02 * common + 0.22 * x[5] + 0.10 * x[7] * x[0] + item + 0.02
    truth = common + 0.10 * x[4] + 0.20 * x[5] + 0.08 * x[7] * x[0] + item
    return {"champion": champion, "challenger": challenger, "truth": truth}


def _common(x: list[np.ndarray], segments: dict[str, np.ndarray]) -> np.ndarray:
    by_segment = np.zeros(1, dtype=np.float32)
    for salt, (name, scale) in enumerate(SEGMENT_EFFECTS.items()):
        by_segment = by_segment + SEGMENTS[name].effects(scale, salt)[segments[name]]
    known = 0.7 * x[0] + 0.5 * x[1] + 0.6 * np.tanh(x[2]) + 0.25 * x[3] * x[0]
    return np.asarray(known + by_segment - 1.1)


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return probabilities, float32 and strictly inside (0, 1)."""
    score = 1.0 / (1.0 + np.exp(-logit.astype(np.float32)))
    return clip(score)


def clip(score: np.ndarray) -> np.ndarray:
    """Keep a score strictly inside (0, 1)."""
    return np.asarray(np.clip(score, 1e-6, 1.0 - 1e-6), dtype=np.float32)
