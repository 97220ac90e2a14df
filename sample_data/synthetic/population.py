"""Users: who they are, and which of them comes back for a request."""

from dataclasses import dataclass

import numpy as np

from .spec import Spec
from .streams import BlockStreams, Stream, generator
from .vocabulary import SEGMENTS

FIRST_USER = 100_000


@dataclass(frozen=True)
class Population:
    """Attributes of every user, by user number."""

    country: np.ndarray
    device: np.ndarray
    plan: np.ndarray
    taste: np.ndarray


def populate(spec: Spec) -> Population:
    """Draw all users once; every process draws the same ones."""
    columns = {}
    for number, name in enumerate(("country", "device", "plan")):
        rng = generator(spec.seed, Stream.POPULATION, number)
        uniform = rng.random(spec.users, dtype=np.float32)
        columns[name] = SEGMENTS[name].draw(uniform).astype(np.int8)
    rng = generator(spec.seed, Stream.POPULATION, 9)
    return Population(**columns, taste=rng.standard_normal(spec.users, dtype=np.float32))


def visitors(spec: Spec, rows: int, streams: BlockStreams) -> np.ndarray:
    """Draw the user of each request: a few come all the time, most come rarely."""
    uniform = streams.open(Stream.USER).random(rows)
    return np.minimum((spec.users * uniform**2).astype(np.int64), spec.users - 1)


def segments(
    people: Population, user: np.ndarray, rows: int, streams: BlockStreams
) -> dict[str, np.ndarray]:
    """Return the codes of the segment columns: attributes of the user or of the request."""
    borrowed = streams.uniform(Stream.REQUEST, rows) < 0.2
    other_device = SEGMENTS["device"].draw(streams.uniform(Stream.REQUEST, rows, 100))
    return {
        "country": people.country[user],
        "device": np.where(borrowed, other_device, people.device[user]),
        "channel": SEGMENTS["channel"].draw(streams.uniform(Stream.REQUEST, rows, 200)),
        "plan": people.plan[user],
    }
