"""From a verdict to traffic weights. `Router`, the client for serving code, needs nothing but the
standard library: `from analyzer.router import Router`.
"""

from analyzer.router.client import Router, Status
from analyzer.router.decision import Decision, DecisionError

__all__ = ["Decision", "DecisionError", "Router", "Status"]
