"""The kill switch: a file or an environment variable that sends everybody to the champion."""

from __future__ import annotations

import os
from typing import NamedTuple

VARIABLE = "ANALYZER_KILL_SWITCH"
OFF = ("", "0", "false", "no", "off")


class KillSwitch(NamedTuple):
    """On while the file exists, or the variable holds anything but 0, false, no or off.

    What cannot be read counts as on: nobody can say that it is off.
    """

    file: str = ""
    variable: str = VARIABLE

    def why(self) -> str:
        """Why it is on, empty where it is off."""
        if os.environ.get(self.variable, "").strip().lower() not in OFF:
            return f"the kill switch is on: the variable {self.variable} is set"
        if not self.file:
            return ""
        try:
            os.stat(self.file)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            return f"the kill switch cannot be read and counts as on ({error})"
        return f"the kill switch is on: {self.file} exists"
