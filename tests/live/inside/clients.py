"""Small gRPC clients, one a language: each calls echo TARGET COUNT times with nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emucluster.live.rpc.pb import echo_pb2

PROGRAMS = Path(__file__).with_name("programs")
JAVA_JARS = Path("/usr/share/java")
GO_SOURCES = Path("/usr/share/gocode")
NPM_PERMISSION = "EMUCLUSTER_TEST_NPM"
BUILD_TIMEOUT_S = 150.0
CALLS_TIMEOUT_S = 60.0


class Missing(Exception):
    """This machine lacks what the client needs."""


@dataclass(frozen=True)
class Client:
    """A client that is ready to run.

    Attributes:
        proxies_loopback: its library sends CONNECT for addresses of 127.0.0.0/8 as for any other.
    """

    argv: Sequence[str]
    proxies_loopback: bool = True
    env: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, target: str, count: int, inside: Mapping[str, str], *more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.argv, target, str(count), *more],
            env={**os.environ, **self.env, **inside},
            capture_output=True,
            text=True,
            timeout=CALLS_TIMEOUT_S,
        )

    def call(
        self, target: str, count: int, inside: Mapping[str, str], *more: str
    ) -> list[echo_pb2.EchoReply]:
        """The replies; fails with what the program wrote."""
        ended = self.run(target, count, inside, *more)
        assert ended.returncode == 0, f"{target}: {ended.stdout}{ended.stderr}"
        return replies(ended.stdout)


def replies(text: str) -> list[echo_pb2.EchoReply]:
    """One reply in hex on each line."""
    return [echo_pb2.EchoReply.FromString(bytes.fromhex(line)) for line in text.split()]


def python(_: Path) -> Client:
    return Client([sys.executable, str(PROGRAMS / "client.py")])


def node(directory: Path) -> Client:
    program = _needs("node")
    if not _succeeds([program, "-e", 'require.resolve("@grpc/grpc-js")'], directory):
        if os.environ.get(NPM_PERMISSION) != "1":
            raise Missing(f"no @grpc/grpc-js in NODE_PATH, and {NPM_PERMISSION}=1 is not set")
        _build([_needs("npm"), "install", "--no-audit", "--no-fund", "@grpc/grpc-js"], directory)
    known = os.environ.get("NODE_PATH", "")
    path = f"{directory / 'node_modules'}{os.pathsep}{known}"
    return Client([program, str(PROGRAMS / "client.js")], env={"NODE_PATH": path})


def go(directory: Path) -> Client:
    program = _needs("go")
    if not (GO_SOURCES / "src/google.golang.org/grpc").is_dir():
        raise Missing("golang-google-grpc-dev is not installed")
    built = directory / "client"
    env = {"GO111MODULE": "off", "GOPATH": str(GO_SOURCES)}
    _build([program, "build", "-o", str(built), str(PROGRAMS / "client.go")], directory, env)
    return Client([str(built)], proxies_loopback=False)


def ruby(directory: Path) -> Client:
    program = _needs("ruby")
    if not _succeeds([program, "-e", 'require "grpc"'], directory):
        raise Missing("ruby-grpc is not installed")
    return Client([program, str(PROGRAMS / "client.rb")])


def cpp(directory: Path) -> Client:
    compiler, finder = _needs("g++"), _needs("pkg-config")
    if not _succeeds([finder, "--exists", "grpc++"], directory):
        raise Missing("libgrpc++-dev is not installed")
    flags = subprocess.check_output([finder, "--cflags", "--libs", "grpc++"], text=True).split()
    built = directory / "client"
    _build([compiler, "-O0", str(PROGRAMS / "client.cc"), "-o", str(built), *flags], directory)
    return Client([str(built)])


def java(directory: Path) -> Client:
    program, compiler = _needs("java"), _needs("javac")
    wanted = ("grpc-*", "guava", "netty-*", "perfmark-*", "opencensus-*")
    jars = [str(jar) for pattern in wanted for jar in sorted(JAVA_JARS.glob(f"{pattern}.jar"))]
    packages = {"grpc-netty": "libgrpc-java", "netty-all": "libnetty-java"}
    packages["perfmark-api"] = "libperfmark-java"
    for jar, package in packages.items():
        if not (JAVA_JARS / f"{jar}.jar").exists():
            raise Missing(f"{package} is not installed")
    classpath = os.pathsep.join([str(directory), *jars])
    source = str(PROGRAMS / "Client.java")
    _build([compiler, "-cp", classpath, "-d", str(directory), source], directory)
    return Client([program, "-cp", classpath, "Client"])


_PREPARE: Mapping[str, Callable[[Path], Client]] = {
    "Python": python,
    "Node.js": node,
    "Go": go,
    "Ruby": ruby,
    "C++": cpp,
    "Java": java,
}
LANGUAGES = tuple(_PREPARE)


def prepare(language: str, directory: Path) -> Client:
    """Build the language's client in `directory`. Raises Missing, or AssertionError."""
    return _PREPARE[language](directory)


def _needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Missing(f"{program} is not installed")
    return found


def _succeeds(command: list[str], directory: Path) -> bool:
    ended = subprocess.run(command, cwd=directory, capture_output=True, timeout=BUILD_TIMEOUT_S)
    return ended.returncode == 0


def _build(command: list[str], directory: Path, env: Mapping[str, str] | None = None) -> None:
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
