"""Features: a standard normal latent per value, and the shape in which it is logged.

The models read the latent of the first eight features, whose shapes can be inverted; the
others are noise to the models, as most logged features are.
"""

from collections.abc import Callable

import numpy as np

Shape = Callable[[np.ndarray], np.ndarray]

READ_BY_MODELS = 8
NULL_SHARE = 0.01


def _uniform(latent: np.ndarray) -> np.ndarray:
    # The logistic curve is the normal distribution function to within 0.01.
    return 1.0 / (1.0 + np.exp(-1.702 * latent))


INVERTIBLE: tuple[Shape, ...] = (
    lambda g: g,
    lambda g: np.exp(0.8 * g + 1.0),
    _uniform,
    lambda g: np.round(np.exp(0.9 * g + 3.5), 2),
    lambda g: 40.0 + 12.0 * g,
    lambda g: np.exp(1.5 * g - 2.0),
    lambda g: 100.0 * _uniform(g) - 50.0,
    lambda g: 1e-3 * g,
)
OTHER: tuple[Shape, ...] = (
    lambda g: np.floor(np.exp(0.8 * g + 0.7)),
    lambda g: np.round(2003.0 + 6.0 * g),
    lambda g: (g > 0.6).astype(np.float32),
    lambda g: np.maximum(g - 0.5, 0.0) * 20.0,
    lambda g: g * np.abs(g) * np.abs(g),
    lambda g: np.floor(np.exp(1.2 * g + 4.0)) + 0.99,
    lambda g: np.floor(24.0 * np.minimum(_uniform(g), 0.9999)),
    lambda g: -np.exp(0.5 * g),
    lambda g: 1e6 + 1e3 * g,
    lambda g: np.where(np.abs(g) < 1.0, 0.0, g),
    lambda g: np.clip(np.round(3.0 + g), 1.0, 5.0),
    lambda g: _uniform(g) ** 2,
)


def shape_of(number: int) -> Shape:
    """Return the shape of feature `number`."""
    if number < READ_BY_MODELS:
        return INVERTIBLE[number]
    return OTHER[(number - READ_BY_MODELS) % len(OTHER)]
