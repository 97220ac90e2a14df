"""Made-up answers of segment searches: found, nothing found, refused."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from analyzer.diagnose.findings import Search
from analyzer.segments.finding import Found, Offset, Refusal, Segment, Value
from analyzer.verdict import Observed

SEEN = Observed(value=0.031, low=0.02, high=0.042, n=9_000, method="made up 95%")


def searches(names: list[str], segments: int) -> list[Search]:
    """Searches that found up to 20 segments, that found none, that refused; in both modes."""
    found = _found(names, segments)
    nothing = structs.replace(found, segments=(), offsets=())
    measures = ("difference", "spread", "flips", "latency", "errors")
    refusal = f"too few rows of {names[5]}"
    return [
        Search(
            measure=measure,
            mode=mode,
            title=f"About {measure}",
            unit="share" if measure in ("flips", "errors") else "score",
            found=None if measure == "errors" else nothing if measure == "flips" else found,
            refusal=refusal if measure == "errors" else "",
        )
        for measure in measures
        for mode in ("change", "level")
    ]


def _found(names: list[str], segments: int) -> Found:
    def pick(i: int) -> str:
        return names[i % len(names)]

    return Found(
        outcome="difference",
        mode="change",
        rows=39_000,
        mean=SEEN,
        sd=0.2,
        segments=tuple(_segment(pick, i) for i in range(min(segments, 20))),
        offsets=(
            Offset(
                parent=((pick(0), pick(1)),),
                n=400,
                effect=SEEN,
                children=(((pick(2), pick(3)),), ((pick(4), None),)),
                sentence=pick(5),
            ),
        ),
        one_way=tuple(
            Value(
                column=pick(i),
                value=pick(i + 1),
                n=900,
                support=0.1,
                mean=0.02,
                effect=SEEN,
                share=0.2,
                lift=2.0,
            )
            for i in range(segments)
        ),
        cells_tested=4_321,
        cells_apart=7,
        cells_left=0,
        explained=0.12,
        refusals=(Refusal(reason="too few units", sentence=f"too few units in {pick(6)}"),),
        notes=(f"a note on {pick(7)}",),
        bounds=(f"stopped at {pick(6)}",),
    )


def _segment(pick: Callable[[int], str], i: int) -> Segment:
    order = 1 + i % 3
    return Segment(
        where=tuple((pick(i + k), None if i % 7 == 6 else pick(i + k + 1)) for k in range(order)),
        hours=(3, 9) if i % 5 == 4 else None,
        aliases=((("alias", pick(i)),),) if i % 4 == 1 else (),
        n=9_000 - i,
        support=0.2 / (1 + i),
        mean=0.05,
        effect=Observed(value=0.3 / (1 + i), low=0.2 / (1 + i), high=None, n=9, method="made up"),
        alone=SEEN,
        effect_sd=0.4,
        z=12.0 - i / 10,
        deff=1.7,
        p=1e-9,
        risk_ratio=Observed(undefined=f"nothing of {pick(2)}") if i % 2 else SEEN,
        share=0.3,
        lift=2.5,
        sentence=f"{pick(i)} differs by 0.3 from the rest",
    )
