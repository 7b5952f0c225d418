"""Three hosts out of network namespaces, as deploy/netns-cluster.sh makes them, and emucluster."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "netns-cluster.sh"
WEB = ROOT / "examples" / "web.yaml"
TAG = "t"
NET = "10.79.0"
SETTINGS = {"EMU_TAG": TAG, "EMU_NET": NET, "EMU_PYTHON": sys.executable}

Found = TypeVar("Found")


def script(command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the script for hosts of the tests' own, beside those that a user may have."""
    return subprocess.run(
        [str(SCRIPT), command],
        env={**os.environ, **SETTINGS, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def why_not() -> str:
    """Why namespaces cannot be made here; empty where they can."""
    if os.geteuid() != 0:
        return "needs root"
    name = f"emu{TAG}probe"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    except FileNotFoundError:
        return "needs iproute2"
    if made.returncode != 0:
        return f"network namespaces cannot be made: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def until(condition: Callable[[], Found], what: str, *, timeout_s: float = 30.0) -> Found:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Hosts:
    """The hosts 1 to 3 (`numbers`); the Ray head is on the first."""

    ray_address: str
    bind: str
    token_path: str
    tag: str = TAG
    numbers: tuple[int, ...] = (1, 2, 3)

    def address(self, host: int) -> str:
        return f"{self.bind[:-1]}{host}"

    def run(
        self, host: int, *command: str, check: bool = True, text: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """A command on one of the hosts."""
        environ = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": self.token_path}
        found = subprocess.run(
            ["ip", "netns", "exec", f"emu{self.tag}{host}", *command],
            env=environ,
            input=text,
            capture_output=True,
            text=True,
            timeout=90,
            cwd=ROOT,
            check=False,
        )
        assert found.returncode == 0 or not check, f"{command}: {found.stderr or found.stdout}"
        return found

    def python(self, host: int, module: str, *arguments: str, text: str = "") -> Any:
        """What a module of these tests, given `text` to read, prints as JSON on a host."""
        command = (sys.executable, "-m", f"tests.hosts.{module}", *arguments)
        found = self.run(host, *command, text=text)
        return json.loads(found.stdout)

    def processes(self) -> set[int]:
        """All processes of all hosts; none of them a zombie."""
        found = set()
        for host in self.numbers:
            listed = subprocess.run(
                ["ip", "netns", "pids", f"emu{self.tag}{host}"], capture_output=True, text=True
            )
            found |= {int(pid) for pid in listed.stdout.split() if _lives(int(pid))}
        return found

    def listeners(self) -> set[str]:
        """Every TCP socket that listens on any host, as HOST ADDRESS:PORT."""
        return {
            f"{host} {line.split()[3]}"
            for host in self.numbers
            for line in self.run(host, "ss", "-Hltn").stdout.splitlines()
        }


@contextmanager
def hosts_with_ray(
    tag: str = TAG, net: str = NET, numbers: tuple[int, ...] = (1, 2, 3)
) -> Iterator[Hosts]:
    """Hosts with a Ray across them, of which nothing is left afterwards."""
    settings = {"EMU_TAG": tag, "EMU_NET": net, "EMU_HOSTS": " ".join(map(str, numbers))}
    made = script("up", **settings)
    try:
        assert made.returncode == 0, made.stderr
        told = dict(
            line.split("=", 1) for line in made.stdout.splitlines() if not line.startswith("#")
        )
        place = told["EMU_RAY_ADDRESS"], told["EMU_BIND"], told["RAY_AUTH_TOKEN_PATH"]
        yield Hosts(*place, tag, numbers)
    finally:
        gone = script("down", **settings)
    assert gone.returncode == 0, gone.stderr
    left = [path for path in Path("/run/netns").glob(f"emu{tag}[0-9]")]
    left += [path for path in Path("/sys/class/net").glob(f"*emu{tag}[0-9]*")]
    left += [path for path in Path("/tmp").glob(f"emu-hosts{tag}*")]
    assert left == [], "what the script made is removed by it"


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@dataclass(frozen=True)
class Cluster:
    """`emucluster` on the first host, for one cluster."""

    hosts: Hosts
    name: str

    def cli(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = (sys.executable, "-P", "-m", "emucluster", "--cluster", self.name, *arguments)
        return self.hosts.run(1, *command, check=check)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "-o", "json").stdout)

    def calls(self, target: str, *arguments: str) -> list[dict[str, Any]]:
        """Each call that `call` tells of, failed ones too."""
        found = self.cli("call", target, *arguments, "-o", "json", check=False)
        told = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
        calls = [call for call in told if "id" in call]
        assert calls, found.stderr or found.stdout
        return calls

    def machines(self) -> dict[str, dict[str, Any]]:
        return {machine["name"]: machine for machine in self.json("status")["machines"]}

    def published(self) -> dict[str, str]:
        found: dict[str, str] = self.json("status")["published"]
        return found

    def pods(self) -> dict[str, str]:
        """Running pods and their nodes."""
        items = self.json("get", "pods")["items"]
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in items
            if pod["status"].get("phase") == "Running"
        }

    def wait_ready(self) -> None:
        self.hosts.python(1, "ready", self.name)


@contextmanager
def cluster(hosts: Hosts, name: str, *, nodes: int) -> Iterator[Cluster]:
    """A cluster with everything of examples/web.yaml, and at least a pod on each node."""
    found = Cluster(hosts, name)
    found.cli(
        *("up", "--ray-address", hosts.ray_address, "--bind", hosts.bind),
        *("--nodes", str(nodes), "--zones", "3", "--speed", "10"),
    )
    try:
        found.cli("apply", "-f", str(WEB))
        found.cli("scale", "deployment/web", "--replicas", str(nodes))
        found.wait_ready()
        yield found
    finally:
        found.cli("down", check=False)
