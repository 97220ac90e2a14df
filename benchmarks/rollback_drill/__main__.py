"""Rollback drills: `python -m benchmarks.rollback_drill --date D --drills 50`.

Real HAProxy (inserted cookies), Envoy (routes in a file) and Traefik (file, sticky cookies) before
two model servers. A drill ramps the challenger up, then `analyzer route rollback` runs as a command
of its own; the clock stops at the last response of the challenger.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from analyzer.router import change
from analyzer.router.connect import controller_of
from analyzer.routing import RouterAt
from benchmarks.results import RESULTS, against, save
from benchmarks.rollback_drill import routers
from benchmarks.rollback_drill.load import Load
from benchmarks.rollback_drill.routers import Files, Running, models, running

MOST_SECONDS, ERRORS = 5.0, 3.0
STEPS = (0.05, 0.2, 0.5)
ROUTERS: dict[str, Files] = {
    "HAProxy": routers.haproxy(),
    "Envoy": routers.envoy(),
    "Traefik": routers.traefik(),
}
QUIET = 1.0
"""Seconds without an answer of the challenger after which a drill is over."""


def configure(router: Running) -> Path:
    """A rollout.toml that holds no more than a rollback needs."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in router.settings.items()]
    path = router.folder / "rollout.toml"
    path.write_text('name = "drill"\n[router]\n' + "\n".join(lines) + "\n", encoding="utf-8")
    return path


async def raised(router: Running, share: float) -> None:
    """Give the challenger a share, confirmed."""
    settings = msgspec.convert(router.settings, RouterAt)
    names = {"champion": "v6", "challenger": "v7"}
    to = controller_of(settings, str(router.folder), "drill", names)
    report = await asyncio.to_thread(
        change.apply,
        to,
        "canary",
        share,
        reason="a drill",
        verdict="",
        expires=time.time() + 3600,
        live=await asyncio.to_thread(to.adapter.read),
    )
    if not report.done:
        raise RuntimeError(f"the ramp to {share:.0%} failed: {report}")


async def drill(
    router: Running, load: Load, seconds: float
) -> tuple[float, float, list[tuple[int, int]]]:
    """Seconds to the challenger's last response, seconds of the command, counts per step."""
    counts = []
    for share in STEPS:
        await raised(router, share)
        since = len(load.answers)
        await asyncio.sleep(seconds)
        seen = [a for a in load.answers[since:] if a.visitor]
        counts.append((sum(a.model == "v7" for a in seen), len(seen)))
    command = [sys.executable, "-m", "analyzer.cli", "route", "rollback", "--json"]
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *command,
        "--config",
        str(configure(router)),
        stdout=asyncio.subprocess.PIPE,
        cwd=routers.ROOT,
    )
    told, _ = await process.communicate()
    taken = time.monotonic() - started
    if process.returncode:
        raise RuntimeError(f"the rollback failed: {told.decode()}")
    await asyncio.sleep(QUIET)
    last = max((a.at for a in load.answers if a.model == "v7"), default=started)
    return max(0.0, last - started), taken, counts


async def drills(name: str, options: argparse.Namespace, served: dict[str, int]) -> dict:
    """All drills of one router under one steady load."""
    times, commands = [], []
    steps: list[list[tuple[int, int]]] = [[] for _ in STEPS]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(ROUTERS[name], Path(folder), served) as router,
    ):
        async with Load(router.port, options.rate, options.clients) as load:
            await asyncio.sleep(0.5)
            for number in range(options.drills):
                last, command, counts = await drill(router, load, options.seconds)
                times.append(last)
                commands.append(command)
                for kept, count in zip(steps, counts, strict=True):
                    kept.append(count)
                print(f"{name} {number + 1}: {last:.3f} s", flush=True)
        return {
            "times": times,
            "commands": commands,
            "steps": steps,
            "answers": len(load.answers),
            "failed": load.failed,
        }


def error(kept: list[tuple[int, int]], share: float) -> float:
    """By how many standard errors the visitors' share missed, all drills together."""
    hits, total = sum(h for h, _ in kept), sum(n for _, n in kept)
    return (hits - total * share) / (total * share * (1 - share)) ** 0.5


def main() -> None:
    """Drill and write results/rollback_drill.*"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", required=True)
    parser.add_argument("--drills", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each ramp step")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with models() as served:
        raw = {name: asyncio.run(drills(name, options, served)) for name in ROUTERS}
    rows, accuracy = [], []
    for name, found in raw.items():
        times = found["times"]
        rows.append(
            {
                "router": name,
                "drills": len(times),
                "to the last challenger response, P50 (s)": f"{statistics.median(times):.3f}",
                "max (s)": f"{max(times):.3f}",
                "target": against(max(times), MOST_SECONDS),
                "until confirmed and recorded, max (s)": f"{max(found['commands']):.2f}",
                "requests": found["answers"],
                "failed": len(found["failed"]),
            }
        )
        for share, kept in zip(STEPS, found["steps"], strict=True):
            off = error(kept, share)
            accuracy.append(
                {
                    "router": name,
                    "step": f"{share:.0%}",
                    "seen": f"{sum(h for h, _ in kept) / sum(n for _, n in kept):.4f}",
                    "n": sum(n for _, n in kept),
                    "standard errors off": f"{off:+.2f}",
                    "target": against(abs(off), ERRORS),
                }
            )
    given = {"drills": options.drills, "rate": options.rate, "clients": options.clients}
    save(
        "rollback_drill",
        "Rollback drills",
        options.date,
        options.out,
        {**given, "seconds": options.seconds},
        {"Rollback": rows, "Weights": accuracy},
        raw,
        [
            "The clock starts before the command's own process does.",
            "Half the clients keep their cookie; weights are judged on the others.",
        ],
    )


if __name__ == "__main__":
    main()
