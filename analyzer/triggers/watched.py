"""All that is watched of a window: the rollback triggers and the signals for a human."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.config import Rollout
from analyzer.diary import Event, weight_at
from analyzer.errors import AnalyzerError
from analyzer.policy import Policy
from analyzer.profiles import Profiles
from analyzer.stages import Stages
from analyzer.triggers.run import Triggers, triggers
from analyzer.triggers.signals import Signal, signals
from analyzer.window import DAY, Window

HOLD, ROLL_BACK = 3, 5


@dataclass(frozen=True)
class Watched:
    """What triggers and signals said. served: whether the challenger answered users at the end.
    missing: why nothing could be asked. ways: of rollbacks confirmed in the window.
    """

    triggers: Triggers | None = None
    signals: tuple[Signal, ...] = ()
    served: bool = False
    missing: str = ""
    ways: tuple[Stages, ...] = ()

    @property
    def exit_code(self) -> int:
        """5 where a trigger fired and there is traffic to take away, 3 where there is none: a
        shadow is held. Signals never count; what could not be judged is told, and the gate of a
        phase with traffic decides by its policy whether it waits for it.
        """
        if self.triggers is None or self.triggers.outcome != "fired":
            return 0
        return ROLL_BACK if self.served else HOLD


NOT_ASKED = Watched()


def watched(
    rollout: Rollout, policy: Policy, profiles: Profiles, events: Sequence[Event], as_of: int
) -> Watched:
    """Triggers over the profiles' window, signals about its last day. as_of: instant by which
    labels must be known.
    """
    end = profiles.window.end
    day = Window(max(profiles.window.start, end - DAY), end)
    inside = profiles.window.holds
    ways = tuple(e.stages for e in events if e.stages is not None and inside(e.at, e.at + 1))
    try:
        return Watched(
            triggers(rollout, profiles, policy.trigger, events),
            tuple(signals(rollout, profiles.within(day), policy, events, as_of)),
            bool(weight_at(events, end)),
            ways=ways,
        )
    except AnalyzerError as error:
        return Watched(missing=str(error), ways=ways)
