"""Seeded synthetic champion / challenger logs with planted incidents."""

from .run import generate
from .spec import Spec

__all__ = ["Spec", "generate"]
