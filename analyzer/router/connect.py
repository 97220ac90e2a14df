"""From `[router]` of a rollout.toml to an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from analyzer import routing
from analyzer.config import read_toml
from analyzer.errors import ConfigError
from analyzer.router.adapter import Adapter
from analyzer.router.controller import Controller
from analyzer.router.decision import ARMS
from analyzer.router.decision_file import DecisionFile
from analyzer.router.document import Document
from analyzer.router.envoy import Envoy, EnvoyRuntime
from analyzer.router.haproxy import HAProxy
from analyzer.router.instances import Instances
from analyzer.router.killswitch import KillSwitch
from analyzer.router.kserve import InferenceService
from analyzer.router.kubernetes import Api, Kubernetes
from analyzer.router.kubernetes_objects import Experiment, HTTPRoute, Split, VirtualService
from analyzer.router.sagemaker import SageMaker
from analyzer.router.traefik import Traefik
from analyzer.routing import RouterAt

OBJECTS: tuple[Split, ...] = (HTTPRoute(), VirtualService(), Experiment(), InferenceService())
SPLITS = {one.name: one for one in OBJECTS}
"""Kinds of `[router]` that are Kubernetes objects."""


def adapter_of(settings: RouterAt, root: str) -> Adapter:
    """The adapter that the settings describe; relative paths start at `root`."""
    if settings.instances:
        return Instances({n: adapter_of(one, root) for n, one in settings.each().items()})
    arms = {"champion": settings.champion, "challenger": settings.challenger}
    path = str(Path(root) / settings.path)
    address = settings.address
    if settings.kind == "haproxy":
        is_port = "/" not in address and address.rpartition(":")[2].isdigit()
        where = address if is_port else str(Path(root) / address)
        state = str(Path(root) / settings.state_file) if settings.state_file else ""
        return HAProxy(where, settings.backend, arms, state, settings.kill_sessions)
    if settings.kind == "envoy":
        return Envoy(path, arms, address)
    if settings.kind == "envoy-runtime":
        return EnvoyRuntime(address, settings.backend, arms)
    if settings.kind == "traefik":
        return Traefik(path, settings.backend, arms, address)
    if settings.kind in SPLITS:
        files = (settings.token_file, settings.ca_file)
        api = Api(address, *(str(Path(root) / file) if file else "" for file in files))
        return Kubernetes(SPLITS[settings.kind], api, settings.backend, arms)
    if settings.kind == "sagemaker":
        return SageMaker(settings.backend, arms, address)
    if settings.kind == "file":
        return Document(path, arms, settings.total)
    return DecisionFile(path)


def controller_of(
    settings: RouterAt, root: str, rollout: str, models: dict[str, str]
) -> Controller:
    """All that `analyzer route` needs to change this rollout's router."""
    folder = Path(root) / settings.folder
    kill = Path(root) / settings.kill_file if settings.kill_file else folder / "kill"
    return Controller(adapter_of(settings, root), folder, rollout, models, KillSwitch(str(kill)))


def described(path: str | Path) -> tuple[str, RouterAt, dict[str, str]]:
    """The rollout's name, its `[router]` and the models' names, whatever else the file holds: a
    rollback needs no more.

    Raises ConfigError for a missing file, bad TOML, no or a wrong [router].
    """
    file = Path(path)
    raw = read_toml(file)
    if not isinstance(raw.get("router"), dict):
        raise ConfigError(f"{file}: there is no [router]; `analyzer route --help` shows one")
    try:
        settings = msgspec.convert(raw["router"], RouterAt)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: [router] {error}") from None
    wrong = routing.refusal(settings)
    if wrong:
        raise ConfigError(f"{file}: [router] {wrong}")
    return str(raw.get("name") or "unnamed"), settings, {arm: _model(raw, arm) for arm in ARMS}


def _model(raw: dict[str, Any], arm: str) -> str:
    side = raw.get(arm)
    name = side.get("name") if isinstance(side, dict) else None
    return name if isinstance(name, str) and name else arm
