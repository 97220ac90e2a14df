"""`analyzer latency`."""

from __future__ import annotations

import click

from analyzer.cli import common
from analyzer.cli.common import Job


@click.command(
    epilog="Example: analyzer latency --last 7d --by-hour\n\n"
    "In Python: analyzer.latency.latency(profiles, limits_ms)"
)
@common.job_options
@click.option("--by-hour", is_flag=True, help="Also a row per hour and model.")
def command(job: Job, by_hour: bool) -> None:
    """Latency percentiles per model with intervals, and the exact share over each limit."""
    from analyzer.latency import latency
    from analyzer.measure import scored

    profiles = job.profiles()
    found = latency(profiles, sorted(set(job.policy.latency_thresholds)))
    if job.json:
        common.show_json(found)
        return
    rows = []
    for model in found.models:
        rows += [(model.model, name, scored(value)) for name, value in model.quantiles.items()]
        rows += [
            (model.model, f">= {limit} ms", f"{share.k:,} of {share.n:,}: {scored(share.result)}")
            for limit, share in model.over.items()
        ]
        if model.without_latency:
            rows.append((model.model, "without latency", f"{model.without_latency:,}"))
    common.show_table(
        ("model", "what", "ms, or share of requests"), rows, title=f"Latency {found.window}"
    )
    if by_hour:
        common.show_table(
            ("hour", "model", "n", "P50", "P99"),
            [(h.hour, h.model, h.n, scored(h.p50), scored(h.p99)) for h in found.hours],
            right="n",
        )
