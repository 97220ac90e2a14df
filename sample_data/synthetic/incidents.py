"""Apply the planted incidents to a block, and count what they touched."""

import math
from dataclasses import dataclass, field

import numpy as np

from .block import MODELS, Block
from .clock import ROW_SIGMA
from .models import SD_DIFFERENCE, SD_SCORE, clip
from .plants import US_PER_HOUR, Plant
from .spec import Spec
from .streams import BlockStreams, Stream
from .tally import Tally
from .vocabulary import CATEGORIES, SEGMENTS

PARITY_SHIFT = np.float32(0.5)
SLOW_SIGMA = 0.25


@dataclass
class Scene:
    """A block on its way to the files, with what the plants did to it so far."""

    spec: Spec
    slot: int
    block: Block
    streams: BlockStreams
    tally: Tally
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    challenger_latent: dict[int, np.ndarray] = field(default_factory=dict)
    logged_codes: dict[str, np.ndarray] = field(default_factory=dict)
    again: dict[str, np.ndarray] = field(default_factory=dict)

    def codes(self, column: str) -> np.ndarray:
        """Return a categorical column as it will be logged."""
        return self.logged_codes.get(column, self.block.categories[column])

    def active(self, plant: Plant) -> np.ndarray:
        """Return the requests inside the plant's window and segment."""
        first, last = plant.window_us(self.spec.start_us, self.spec.days)
        ts = self.block.ts["champion"]
        mask = (ts >= first) & (ts < last)
        for column, value in plant.where:
            code = SEGMENTS[column].values.index(value)
            mask &= self.block.segments[column] == code
        return mask

    def chosen(self, number: int, share: float, offset: int = 0) -> np.ndarray:
        """Return the plant's active requests, thinned to a share by the plant's own stream."""
        draw = self.streams.uniform(Stream.PLANT, len(self.block), 10 * number + offset)
        return self.active(self.spec.plants[number]) & (draw < share)

    def count(self, number: int, model: str, mask: np.ndarray) -> None:
        """Count the plant's rows that reached one model's files."""
        rows = int((mask & self.block.present[model]).sum())
        self.tally.plants[number, f"{model}_rows"] += rows

    def count_logged_feature(self, number: int, mask: np.ndarray) -> None:
        """Count rows of every log that carries features."""
        self.count(number, "champion", mask)
        if self.spec.challenger_features:
            self.count(number, "challenger", mask)


def play(scene: Scene) -> None:
    """Apply all plants: first who is there, then what the models see, then what they answer."""
    for kind in ("missing_day", "lost", "drift", "nulls", "unseen", "parity"):
        _apply(scene, kind)
    scene.scores = scene.block.scores()
    for kind in ("errors", "segment", "score_drift", "latency", "slow", "duplicates"):
        _apply(scene, kind)


def _apply(scene: Scene, kind: str) -> None:
    for number, plant in enumerate(scene.spec.plants):
        if plant.kind == kind:
            _ACTIONS[kind](scene, number, plant)


def _missing_day(scene: Scene, number: int, plant: Plant) -> None:
    if scene.slot != plant.params["day"]:
        return
    for model in filter(plant.hits, MODELS):
        scene.count(number, model, scene.block.present[model])
        scene.block.present[model][:] = False


def _lost(scene: Scene, number: int, plant: Plant) -> None:
    gone = scene.chosen(number, plant.params["share"])
    scene.count(number, "challenger", gone)
    scene.block.present["challenger"] &= ~gone


def _drift(scene: Scene, number: int, plant: Plant) -> None:
    k = int(plant.params["feature"][1:])
    active = scene.active(plant)
    shift = np.where(active, np.float32(plant.params["shift"]), np.float32(0))
    if plant.params["ramp"]:
        first, _ = plant.window_us(scene.spec.start_us, scene.spec.days)
        age = (scene.block.ts["champion"] - first) / (plant.params["ramp"] * US_PER_HOUR)
        shift = shift * np.clip(age, 0, 1).astype(np.float32)
    scene.block.latent[k] = scene.block.latent[k] + shift
    scene.count_logged_feature(number, active & ~scene.block.null[k])


def _nulls(scene: Scene, number: int, plant: Plant) -> None:
    k = int(plant.params["feature"][1:])
    emptied = scene.chosen(number, plant.params["share"]) & ~scene.block.null[k]
    scene.block.null[k] |= emptied
    scene.count_logged_feature(number, emptied)


def _unseen(scene: Scene, number: int, plant: Plant) -> None:
    column = plant.params["column"]
    changed = scene.chosen(number, plant.params["share"])
    # The models still see the old value: a new one must not move the scores by itself.
    code = new_values(scene.spec, column).index(plant.params["value"])
    scene.logged_codes[column] = np.where(
        changed, len(CATEGORIES[column].values) + code, scene.codes(column)
    )
    scene.count_logged_feature(number, changed)


def new_values(spec: Spec, column: str) -> list[str]:
    """Return the planted new values of a categorical column, in a fixed order."""
    plants = (p.params for p in spec.plants if p.kind == "unseen")
    return sorted({params["value"] for params in plants if params["column"] == column})


def _parity(scene: Scene, number: int, plant: Plant) -> None:
    k = int(plant.params["feature"][1:])
    wrong = scene.chosen(number, plant.params["share"]) & ~scene.block.null[k]
    latent = scene.challenger_latent.get(k, scene.block.latent[k])
    scene.challenger_latent[k] = latent + np.where(wrong, PARITY_SHIFT, np.float32(0))
    scene.count(number, "challenger", wrong)


def _errors(scene: Scene, number: int, plant: Plant) -> None:
    for offset, model in enumerate(MODELS):
        if plant.hits(model):
            failed = scene.chosen(number, plant.params["rate"], offset)
            failed &= ~scene.block.error[model]
            scene.block.error[model] |= failed
            scene.count(number, model, failed)


def _segment(scene: Scene, number: int, plant: Plant) -> None:
    effect = np.full(len(scene.block), plant.params["effect"] * SD_DIFFERENCE)
    _move_scores(scene, number, plant, effect)


def _score_drift(scene: Scene, number: int, plant: Plant) -> None:
    first, last = plant.window_us(scene.spec.start_us, scene.spec.days)
    progress = (scene.block.ts["champion"] - first) / (last - first)
    _move_scores(scene, number, plant, plant.params["effect"] * SD_SCORE * progress)


def _move_scores(scene: Scene, number: int, plant: Plant, effect: np.ndarray) -> None:
    mask = scene.active(plant) & ~scene.block.error["challenger"]
    before = scene.scores["challenger"]
    after = np.where(mask, clip(before + effect), before).astype(np.float32)
    scene.scores["challenger"] = after
    scene.count(number, "challenger", mask)
    present = scene.block.present["challenger"]
    scene.tally.add_shift(number, (after - before)[mask & present])


def _latency(scene: Scene, number: int, plant: Plant) -> None:
    active = scene.active(plant)
    for model in filter(plant.hits, MODELS):
        step = np.where(active, math.log(plant.params["factor"]), 0.0)
        scene.block.log_latency[model] = scene.block.log_latency[model] + step
        scene.block.log_level[model] = scene.block.log_level[model] + step
        scene.count(number, model, active)


def _slow(scene: Scene, number: int, plant: Plant) -> None:
    """Slow down just enough requests for every minute's true P99 to be the given value."""
    target = math.log(plant.params["p99"])
    for offset, model in enumerate(MODELS):
        if not plant.hits(model):
            continue
        share = _slow_share(scene.block.log_level[model], target)
        slow = scene.chosen(number, 1.0, offset)
        slow &= scene.streams.uniform(Stream.PLANT, len(slow), 10 * number + 2 + offset) < share
        tail = scene.streams.open(Stream.PLANT, 10 * number + 4 + offset)
        late = target + SLOW_SIGMA * tail.standard_normal(len(slow))
        scene.block.log_latency[model] = np.where(slow, late, scene.block.log_latency[model])
        scene.count(number, model, slow)


def _slow_share(log_level: np.ndarray, target: float) -> np.ndarray:
    """Solve (1 - s) P(ordinary > target) + s / 2 = 1 % for s, per minute's level."""
    level, back = np.unique(log_level, return_inverse=True)
    above = np.array([0.5 * math.erfc((target - m) / (ROW_SIGMA * math.sqrt(2))) for m in level])
    share = np.where(above < 0.01, (0.01 - above) / (0.5 - above), 0.0)
    return share[back]


def _duplicates(scene: Scene, number: int, plant: Plant) -> None:
    for offset, model in enumerate(MODELS):
        if plant.hits(model):
            again = scene.chosen(number, plant.params["share"], offset)
            again &= scene.block.present[model]
            scene.count(number, model, again)
            rows = np.flatnonzero(again)
            scene.again[model] = np.concatenate([scene.again.get(model, rows[:0]), rows])


_ACTIONS = {
    "missing_day": _missing_day,
    "lost": _lost,
    "drift": _drift,
    "nulls": _nulls,
    "unseen": _unseen,
    "parity": _parity,
    "errors": _errors,
    "segment": _segment,
    "score_drift": _score_drift,
    "latency": _latency,
    "slow": _slow,
    "duplicates": _duplicates,
}
