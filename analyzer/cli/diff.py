"""`analyzer diff`."""

from __future__ import annotations

import click

from analyzer.cli import common
from analyzer.cli.common import Job

MOST_SEGMENTS = 15


@click.command(
    epilog="Example: analyzer diff --last 7d\n\nIn Python: analyzer.divergence.divergence(profiles)"
)
@common.job_options
@click.option("--all", "everything", is_flag=True, help="Every segment value, not the first 15.")
def command(job: Job, everything: bool) -> None:
    """How far the models' predictions for the same requests lie apart, overall and by segment.

    Differences are challenger minus champion.
    """
    from analyzer.divergence import divergence
    from analyzer.measure import scored

    found = divergence(job.profiles())
    if job.json:
        common.show_json(found)
        return
    cover = found.coverage
    flips = found.flips
    common.show_table(
        ("what", "value"),
        [
            ("champion requests", cover["champion_rows"]),
            ("challenger requests", cover["challenger_rows"]),
            ("pairs", found.pairs),
            ("pairs without both scores", found.without_scores),
            (
                "only champion / only challenger",
                f"{cover['only_champion']:,} / {cover['only_challenger']:,}",
            ),
            ("mean difference", scored(found.mean)),
            ("mean absolute difference", found.mean_absolute),
            ("decisions that differ", f"{flips.k:,} of {flips.n:,}: {scored(flips.result)}"),
            ("PSI, challenger v. champion scores", found.psi),
            ("KS", scored(found.ks)),
        ],
        title=f"Divergence {found.window}",
    )
    common.say()
    common.show_table(
        ("model", *(name for name in (found.scores[0].quantiles or {}))),
        [
            (s.model, *(getattr(q, "value", None) for q in s.quantiles.values()))
            for s in found.scores
        ],
        title="Scores",
    )
    common.say()
    segments = found.segments if everything else found.segments[:MOST_SEGMENTS]
    common.show_table(
        ("segment", "value", "n", "mean difference", "share", "flips"),
        [
            (
                s.segment,
                "NULL" if s.value is None else s.value,
                s.n,
                scored(s.mean),
                f"{s.share:.1%}",
                s.flips,
            )
            for s in segments
        ],
        title=f"Segments by share of the absolute divergence ({len(found.segments)} in all, "
        "not corrected for their number)",
        right="n share flips",
    )
    common.say()
    common.show_table(
        ("request", "ts", "champion", "challenger"),
        [(w.request_id, w.ts, w.champion_score, w.challenger_score) for w in found.worst[:10]],
        title="Pairs that lie farthest apart",
    )
