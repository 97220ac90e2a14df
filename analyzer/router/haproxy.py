"""HAProxy through its runtime socket.

Weight 0 leaves clients with a cookie where they are, and open TCP connections: `show stat` tells
before (preflight) what is needed, and the ladder goes from weight 0 to maintenance to, where
allowed, closing sessions. Weights live in memory: after each change the servers' state is dumped
to the file that HAProxy reads at its next reload.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from analyzer.router.adapter import (
    CONNECT_SECONDS,
    WRITE_SECONDS,
    Ambiguous,
    Counts,
    Live,
    Outcome,
    Plan,
    Refused,
    Rejected,
    Seen,
    Unreachable,
    ratio,
)
from analyzer.router.decision import ARMS
from analyzer.router.files import replace

MOST = 256
"""HAProxy's largest weight."""
STATIC = ("static-rr", "first", "source-static")
FORCED_MAINT = 1
"""The bit of srv_admin_state that `set server ... state maint` sets."""
STICKY = "sticky: "
_Rows = Mapping[str, Mapping[str, str]]
RUNNING = (2, 3)
"""srv_op_state: running, or stopping softly."""


class HAProxy:
    """`address`: the socket's path, or host:port. `kill`: sessions may be closed as a last step."""

    name = "haproxy"

    def __init__(
        self,
        address: str,
        backend: str,
        arms: Mapping[str, str],
        state_file: str = "",
        kill: bool = False,
    ) -> None:
        self.address, self.backend, self.arms = address, backend, dict(arms)
        self.state_file, self.kill = state_file, kill

    def read(self) -> Live:
        """Weights, readiness and what the backend's way of balancing means for them."""
        state = self._servers(self._ask(f"show servers state {self.backend}"))
        stat = self._stat()
        weights = {arm: float(state[s]["srv_uweight"]) for arm, s in self.arms.items()}
        maint = {
            arm: int(state[s]["srv_admin_state"]) & FORCED_MAINT for arm, s in self.arms.items()
        }
        ready = {arm: int(state[s]["srv_op_state"]) in RUNNING for arm, s in self.arms.items()}
        # a challenger in maintenance gets nothing, and can be brought back: it is warm
        effective = {a: 0.0 if maint[a] or not ready[a] else w for a, w in weights.items()}
        others = self._others(state, stat)
        known: dict[str, bool | None] = {a: None if maint[a] else ready[a] for a in self.arms}
        if maint["champion"]:
            known["champion"] = False
        told = [f"{s} {state[s]['srv_uweight']} {state[s]['srv_admin_state']}" for s in state]
        # with the process in it: after a reload nothing of what was assumed need hold
        token = hashlib.sha256("\n".join([self._pid(), *sorted(told)]).encode()).hexdigest()[:16]
        notes = tuple(self._notes(stat))
        clings = not maint["challenger"] and any(note.startswith(STICKY) for note in notes)
        share = ratio(effective, sum(others.values()))
        return Live(weights, share, known, token, notes, clings, others=self._named(others))

    def plan(self, live: Live, share: float) -> Plan:
        """The champion's and the challenger's weight, the challenger's last when it grows."""
        algorithm = next((n[10:] for n in live.notes if n.startswith("algorithm ")), "")
        if algorithm in STATIC and share not in (0.0, 1.0):
            raise Refused(
                f"the backend balances by {algorithm}, which takes only 0 % and 100 %, "
                f"not {share:.4%}; use roundrobin, leastconn or random"
            )
        weights = _weights(share, live.weights, algorithm in STATIC)
        lines = [self._set(arm, f"weight {weights[arm]:.0f}") for arm in ("champion", "challenger")]
        if share < live.share:
            lines.reverse()
        if share > 0:
            lines.append(self._set("challenger", "state ready"))
        elif any(note.startswith(STICKY) for note in live.notes):
            lines.append(self._set("challenger", "state maint"))
        if live.ready["champion"] is False and share < 1:
            lines.insert(0, self._set("champion", "state ready"))
        return Plan(share, weights, tuple(lines))

    def apply(self, plan: Plan, expect: str) -> Outcome:
        """All commands in one line, so that nothing of this controller comes between them."""
        if self.read().version != expect:
            return "conflict"
        answer = self._ask("; ".join(plan.commands), sent=True)
        if answer.strip():  # an empty line is success; errors are plain text
            raise Rejected(f"{self.address}: {answer.strip().splitlines()[0]}")
        self._dump()
        return "applied"

    def engine(self, plan: Plan) -> Seen:
        """What the balancing engine counts with: `show stat`, not the configured state."""
        stat = self._stat()
        counted = {arm: float(stat[s]["weight"] or 0) for arm, s in self.arms.items()}
        if stat[self.arms["challenger"]]["status"].startswith("MAINT"):
            counted["challenger"] = 0.0
        return "ok" if abs(ratio(counted) - plan.share) < 1e-3 else "no"

    def served(self) -> Counts | None:
        """Requests of each server; in TCP mode sessions, and those that are open."""
        stat = self._stat()
        counts = [int(stat[self.arms[arm]]["stot"] or 0) for arm in ARMS]
        if stat["BACKEND"]["mode"] == "tcp":
            counts += [int(stat[self.arms[arm]]["scur"] or 0) for arm in ARMS]
        return Counts(*counts)

    def ladder(self, live: Live) -> Sequence[Plan]:
        """Maintenance moves clients with a cookie; closing sessions ends what is in flight."""
        server = f"{self.backend}/{self.arms['challenger']}"
        steps = [self._set("challenger", "state maint")]
        if self.kill:
            steps.append(f"shutdown sessions server {server}")
        return [Plan(0.0, {**live.weights, "challenger": 0.0}, (step,)) for step in steps]

    def _others(self, state: _Rows, stat: _Rows) -> dict[str, float]:
        """Weights of further servers that take traffic: not in maintenance, no backup."""
        further = [name for name in state if name not in self.arms.values()]
        return {
            name: float(state[name]["srv_uweight"])
            for name in further
            if not int(state[name]["srv_admin_state"]) & FORCED_MAINT
            and stat.get(name, {}).get("act") != "0"
            and float(state[name]["srv_uweight"])
        }

    def _named(self, others: Mapping[str, float]) -> str:
        told = ", ".join(f"{name} (weight {w:.0f})" for name, w in sorted(others.items()))
        return f"{self.backend} has further servers that take traffic: {told}" if told else ""

    def _set(self, arm: str, what: str) -> str:
        return f"set server {self.backend}/{self.arms[arm]} {what}"

    def _notes(self, stat: _Rows) -> list[str]:
        backend = stat["BACKEND"]
        notes = [f"algorithm {backend.get('algo') or 'unknown'}"]
        if backend.get("mode") == "tcp":
            notes.append(f"{STICKY}TCP connections stay where they are until they close")
        elif backend.get("cookie"):
            notes.append(f"{STICKY}the cookie {backend['cookie']} keeps clients on their server")
        elif any(line.startswith(f"# table: {self.backend},") for line in self._tables()):
            notes.append(f"{STICKY}a stick table keeps clients on their server")
        if not self.state_file:
            notes.append("no state_file: a reload of HAProxy brings its configured weights back")
        return notes

    def _tables(self) -> list[str]:
        return self._ask("show table").splitlines()

    def _pid(self) -> str:
        lines = self._ask("show info").splitlines()
        return next((line for line in lines if line.startswith("Pid:")), "")

    def _dump(self) -> None:
        if not self.state_file:
            return
        try:
            replace(Path(self.state_file), self._ask("show servers state").strip().encode() + b"\n")
        except OSError as error:
            raise Ambiguous(
                f"the weights are set, but {self.state_file} cannot be written ({error}): "
                "a reload of HAProxy would bring the old ones back"
            ) from None

    def _servers(self, answer: str) -> dict[str, dict[str, str]]:
        lines = [line for line in answer.strip().splitlines() if line.strip()]
        header = next((line[2:].split() for line in lines if line.startswith("# ")), None)
        if header is None:
            raise Refused(
                f"{self.address}: there is no backend {self.backend!r} ({answer.strip()})"
            )
        rows = [line.split() for line in lines if line[0].isdigit() and " " in line]
        return self._with_arms(
            {row["srv_name"]: row for row in (dict(zip(header, r, strict=False)) for r in rows)}
        )

    def _stat(self) -> dict[str, dict[str, str]]:
        lines = self._ask(f"show stat {self.backend} 6 -1").strip().splitlines()
        if not lines or not lines[0].startswith("# "):
            raise Unreachable(f"{self.address}: `show stat` cannot be read")
        header = lines[0][2:].split(",")
        rows = [dict(zip(header, line.split(","), strict=False)) for line in lines[1:]]
        found = {row["svname"]: row for row in rows if row.get("pxname") == self.backend}
        if "BACKEND" not in found:
            raise Refused(f"{self.address}: there is no backend {self.backend!r}")
        return self._with_arms(found)

    def _with_arms(self, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for arm, server in self.arms.items():
            if server not in found:
                raise Refused(f"{self.address}: {self.backend} has no server {server!r} ({arm})")
        return found

    def _ask(self, line: str, sent: bool = False) -> str:
        """One line to the socket, its whole answer. sent: a time-out after sending is ambiguous."""
        try:
            connection = self._connect()
        except OSError as error:
            raise Unreachable(f"{self.address}: {error}") from None
        with connection:
            connection.settimeout(WRITE_SECONDS)
            try:
                connection.sendall(line.encode() + b"\n")
                parts = []
                while part := connection.recv(65536):
                    parts.append(part)
            except OSError as error:
                kind = Ambiguous if sent else Unreachable
                raise kind(f"{self.address}: no answer to `{line}` ({error})") from None
        answer = b"".join(parts).decode("utf-8", "replace")
        if not answer:
            kind = Ambiguous if sent else Unreachable
            raise kind(f"{self.address}: closed without an answer to `{line}`")
        if answer.startswith("Unknown command") or "Permission denied" in answer:
            raise Rejected(f"{self.address}: {answer.strip().splitlines()[0]}")
        return answer

    def _connect(self) -> socket.socket:
        host, colon, port = self.address.rpartition(":")
        if colon and port.isdigit() and "/" not in self.address:
            return socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


def _weights(share: float, old: Mapping[str, float], static: bool) -> dict[str, float]:
    """The smallest whole weights whose share is the wanted one, within a hundredth of it.

    Smallest: after a change of weights, round robin may serve one server alone until its turn of
    16 requests for each unit of its weight is over. 1:1 is level again after 32 requests, 50:50
    after 1,600.

    >>> _weights(0.05, {}, False)
    {'champion': 19.0, 'challenger': 1.0}
    >>> _weights(0.005, {}, False)
    {'champion': 199.0, 'challenger': 1.0}
    """
    if share in (0.0, 1.0):
        full = float(max(old.values(), default=1) or 1) if static else 1.0
        return {"champion": full * (1 - share), "challenger": full * share}
    total, challenger = min(
        ((t, max(1, round(share * t))) for t in range(2, MOST + 1)),
        key=lambda tc: round(abs(tc[1] / tc[0] - share), 12),
    )
    if abs(challenger / total - share) > share / 100:
        raise Refused(
            f"HAProxy's weights go to {MOST} and cannot give the challenger {share:.4%}; "
            f"the least is {1 / MOST:.2%}"
        )
    return {"champion": float(total - challenger), "challenger": float(challenger)}
