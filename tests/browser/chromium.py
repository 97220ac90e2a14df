"""Finds the Chromium that the pages are opened in, or says what to do.

`ANALYZER_BROWSER` names another one; `none` leaves these tests out, and says so each time.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MAC = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
NONE = "none"
MISSING = """\
No Chromium was found, so the pages cannot be opened in a real browser.
  Debian, Ubuntu   apt-get install chromium
  macOS            brew install --cask chromium   (Google Chrome and Edge do as well)
  elsewhere        make test BROWSER=/path/to/chrome
  without          make test BROWSER=none         leaves those tests out, and says so"""
LEFT_OUT = "BROWSER=none: the pages are NOT opened in a browser by this run"


def wanted() -> str:
    """What the environment asks for, empty where it does not."""
    return os.environ.get("ANALYZER_BROWSER", "")


def find() -> str | None:
    """Path of a browser, None where there is none."""
    named = wanted()
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in NAMES)
    here = (path for path in MAC if Path(path).exists())
    return next((path for path in (*found, *here) if path), None)


if __name__ == "__main__":
    if wanted() == NONE:
        print(f"\n*** {LEFT_OUT} ***\n", file=sys.stderr)
    elif find() is None:
        sys.exit(MISSING)
