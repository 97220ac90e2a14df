"""`[registry]` of rollout.toml: the MLflow server in which verdicts are recorded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from analyzer.routing import LOOPBACK


class RegistryAt(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An MLflow server. address: its URL. token_file: holds a bearer token. experiment: what runs
    are filed under, by default the rollout's name. model: the registered model whose `alias` tells
    which version serves, with the versions of champion and challenger; empty: no alias is set.
    """

    address: Annotated[str, Meta(pattern=r"^https?://")]
    token_file: str = ""
    experiment: str = ""
    model: str = ""
    champion: str = ""
    challenger: str = ""
    alias: Annotated[str, Meta(min_length=1)] = "champion"


def refusal(settings: RegistryAt) -> str:
    """What is wrong with the settings, empty where nothing is."""
    url = urlsplit(settings.address)
    if settings.token_file and url.scheme == "http" and url.hostname not in LOOPBACK:
        return "a token over http:// could be read on the way: address must be https://"
    versions = (settings.champion, settings.challenger)
    if settings.model and not all(versions):
        return "`model` needs the versions of both, `champion` and `challenger`"
    if any(versions) and not settings.model:
        return "`champion` and `challenger` are versions of a `model`, which is not named"
    if settings.model and versions[0] == versions[1]:
        return f"champion and challenger are both version {versions[0]!r}"
    return ""
