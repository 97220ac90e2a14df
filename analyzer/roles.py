"""Who is champion and who is challenger in a store, so that nobody confuses them later."""

from __future__ import annotations

import hashlib

import msgspec

from analyzer.config import Rollout
from analyzer.errors import ConfigError
from analyzer.logs import Side
from analyzer.profile import SCHEMA
from analyzer.store import Roles, Store


def roles_of(rollout: Rollout) -> Roles:
    """A digest of where each model's rows come from, as the store keeps it."""
    return Roles(SCHEMA, _source(rollout, "champion"), _source(rollout, "challenger"))


def refuse_swapped(rollout: Rollout, store: Store) -> None:
    """Raises ConfigError where champion and challenger are not who they were in the store."""
    then, now = store.roles(), roles_of(rollout)
    if then is not None and (then.champion, then.challenger) == (now.challenger, now.champion):
        raise ConfigError(
            f"{store.path}: champion and challenger have changed places since this store was "
            "made; swap them back in rollout.toml, or give the new rollout its own [store] path"
        )


def _source(rollout: Rollout, side: Side) -> str:
    log = rollout.log(side)
    parts = (sorted(log.paths), log.where, sorted(log.columns.items()))
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
