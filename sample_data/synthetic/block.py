"""One block of requests, as numpy columns, before anything is planted."""

from dataclasses import dataclass

import numpy as np

from .clock import ROW_SIGMA, Clock, arrivals, shadow_times
from .features import NULL_SHARE
from .identifiers import request_numbers
from .models import logits, sigmoid
from .population import Population, segments, visitors
from .spec import MINUTES_PER_DAY, US_PER_DAY, Spec
from .streams import BlockStreams, Stream
from .vocabulary import CATEGORIES

MODELS = ("champion", "challenger")
ERROR_RATE = 2e-4
PARTS_PER_DAY = 4
MINUTES_PER_PART = MINUTES_PER_DAY // PARTS_PER_DAY
BLOCK = 60_000
"""Rows made at once: what bounds the memory, whatever the size of the logs."""


@dataclass
class Block:
    """Columns of some consecutive requests; plants change them in place."""

    number: np.ndarray
    minute: np.ndarray
    user: np.ndarray
    segments: dict[str, np.ndarray]
    categories: dict[str, np.ndarray]
    latent: list[np.ndarray]
    null: list[np.ndarray]
    ts: dict[str, np.ndarray]
    log_level: dict[str, np.ndarray]
    log_latency: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    present: dict[str, np.ndarray]

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.number)

    def logits(self) -> dict[str, np.ndarray]:
        """Return what the models make of the features as they are now."""
        seen = [
            np.where(null, np.float32(0), latent)
            for latent, null in zip(self.latent[:8], self.null, strict=False)
        ]
        return logits(seen, self.segments, self.categories)

    def scores(self) -> dict[str, np.ndarray]:
        """Return both models' scores of the features as they are now."""
        made = self.logits()
        return {model: sigmoid(made[model]) for model in MODELS}


def part_requests(clock: Clock, slot: int, part: int) -> np.ndarray:
    """Return the requests per minute of one quarter of a day."""
    first = slot * MINUTES_PER_DAY + part * MINUTES_PER_PART
    return clock.requests[first : first + MINUTES_PER_PART]


def make_block(
    spec: Spec, clock: Clock, people: Population, place: tuple[int, int, range]
) -> tuple[Block, BlockStreams]:
    """Make the requests of `place` = (slot, part, rows) as a healthy day would bring them."""
    slot, part, span = place
    rows = len(span)
    streams = BlockStreams(spec.seed, slot, part, span.start // BLOCK)
    minute, offset = arrivals(part_requests(clock, slot, part), span, streams)
    first_minute = slot * MINUTES_PER_DAY + part * MINUTES_PER_PART
    ts = spec.start_us + slot * US_PER_DAY + part * (US_PER_DAY // PARTS_PER_DAY) + offset
    user = visitors(spec, rows, streams)
    log_level = {model: clock.log_latency[model][first_minute + minute] for model in MODELS}
    block = Block(
        number=request_numbers(spec.seed, slot, part, span),
        minute=first_minute + minute,
        user=user,
        segments=segments(people, user, rows, streams),
        categories={
            name: vocabulary.draw(streams.uniform(Stream.CATEGORY, rows, k))
            for k, (name, vocabulary) in enumerate(CATEGORIES.items())
        },
        latent=_latents(spec, people, user, streams),
        null=[
            streams.uniform(Stream.FEATURE, rows, 500 + k) < NULL_SHARE
            for k in range(spec.features)
        ],
        ts={"champion": ts, "challenger": shadow_times(ts, streams)},
        log_level=log_level,
        log_latency=_log_latencies(log_level, streams),
        error={
            model: streams.open(Stream.ERROR, k).random(rows) < ERROR_RATE
            for k, model in enumerate(MODELS)
        },
        present={model: np.ones(rows, dtype=bool) for model in MODELS},
    )
    return block, streams


def _latents(
    spec: Spec, people: Population, user: np.ndarray, streams: BlockStreams
) -> list[np.ndarray]:
    """Return the standard normal latents; the first is mostly the user's own taste."""
    latent = [
        streams.open(Stream.FEATURE, k).standard_normal(len(user), dtype=np.float32)
        for k in range(spec.features)
    ]
    if latent:
        latent[0] = np.float32(0.8) * latent[0] + np.float32(0.6) * people.taste[user]
    return latent


def _log_latencies(
    log_level: dict[str, np.ndarray], streams: BlockStreams
) -> dict[str, np.ndarray]:
    """Return log latencies: the minute's level, the request's size, the model's own noise."""
    rows = len(log_level["champion"])
    size = streams.open(Stream.LATENCY).standard_normal(rows, dtype=np.float32)
    columns = {}
    for k, model in enumerate(MODELS, start=1):
        noise = streams.open(Stream.LATENCY, k).standard_normal(rows, dtype=np.float32)
        columns[model] = log_level[model] + ROW_SIGMA * (0.6 * size + 0.8 * noise)
    return columns
