"""What follows a rollback by itself: a scan and a diagnosis, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

started: list[subprocess.Popen[bytes]] = []
"""Nobody waits for these."""


def start(config: str, folder: Path) -> str:
    """Start it and do not wait; in words where to look, or why it could not be started."""
    log = folder / "diagnosis.log"
    by_hand = f"analyzer scan --config {config} && analyzer diagnose --config {config}"
    try:
        with open(log, "ab") as file:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "analyzer.cli.aftermath", config],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            )
    except OSError as error:
        return f"no diagnosis was started ({error.strerror}); by hand: {by_hand}"
    return f"a diagnosis was started, see {log}; by hand: {by_hand}"


def main(config: str) -> int:
    """Scan what came in, then diagnose the diary's latest rollback; behind all other work."""
    from analyzer.cli import run

    os.nice(10)
    return run(["scan", "--config", config]) or run(["diagnose", "--config", config])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
