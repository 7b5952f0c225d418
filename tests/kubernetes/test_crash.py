"""Random writes by several clients while the control plane is killed again and again.

Afterwards: what was acknowledged is there and nothing else, no address or port was given out
twice, no version meant two things, and who watched and resumed missed nothing.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.live.kubeapi.https import Client
from tests.live.kubeapi.plane import free_port, plane
from tests.live.watching import until

pytestmark = pytest.mark.live

KILLS = int(os.environ.get("EMUCLUSTER_KILLS", "50"))
WRITERS, WATCHERS = 4, 3
LIFE_S = (0.02, 0.4)
"""How long a control plane serves before it is killed, at random."""
MERGE_PATCH = "application/merge-patch+json"
NO_ANSWER = (OSError, http.client.HTTPException)

PLURALS = {"ConfigMap": "api/v1", "Service": "api/v1", "Deployment": "apis/apps/v1"}
KINDS = tuple(PLURALS)


def path(kind: str, name: str = "") -> str:
    collection = f"/{PLURALS[kind]}/namespaces/default/{kind.lower()}s"
    return f"{collection}/{name}" if name else collection


# --- the process that is killed ------------------------------------------------------------------


def serve(directory: str, port: int) -> None:
    """A control plane until somebody kills it."""
    with plane(Path(directory), port=port):
        threading.Event().wait()


class Killed:
    """A control plane with a fixed port that is killed and started again."""

    def __init__(self, directory: Path) -> None:
        self._directory, self.port = directory, free_port()
        self._processes = multiprocessing.get_context("forkserver")
        # Restarts would take seconds each if every process had to import anew.
        self._processes.set_forkserver_preload(["tests.live.kubeapi.plane"])
        self._process: Any = None
        self.kills = 0

    def start(self) -> None:
        arguments = (str(self._directory), self.port)
        self._process = self._processes.Process(target=serve, args=arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        self.kills += 1

    @property
    def kubeconfig(self) -> Path:
        return self._directory / "kubeconfig"

    def answering(self) -> Path:
        """Its kubeconfig, once it answers."""
        until(self.answers, "the control plane answers")
        return self.kubeconfig

    def answers(self) -> bool:
        if not self._process.is_alive():
            raise AssertionError(f"the control plane ended: {self._process.exitcode}")
        if not self.kubeconfig.exists():
            return False
        client = Client(self.kubeconfig, timeout_s=5.0)
        try:
            return client.call("GET", "/api/v1/namespaces/default").code == http.client.OK
        except NO_ANSWER:
            return False
        finally:
            client.close()


# --- writers -------------------------------------------------------------------------------------

ABSENT = None


@dataclass
class Writer:
    """Writes to names of its own; knows for each in which states it may be."""

    kubeconfig: Path
    number: int
    ended: threading.Event
    may_be: dict[tuple[str, str], set[int | None]] = field(default_factory=dict)
    acknowledged: dict[int, tuple[str, str]] = field(default_factory=dict)
    """By resourceVersion: which object was written."""
    problem: BaseException | None = None

    def run(self) -> None:
        rng = random.Random(self.number)
        client = Client(self.kubeconfig, timeout_s=10.0)
        try:
            while not self.ended.is_set():
                self.write(client, rng)
        except BaseException as error:
            self.problem = error
        finally:
            client.close()

    def write(self, client: Client, rng: random.Random) -> None:
        known = [key for key, states in self.may_be.items() if states != {ABSENT}]
        if not known or rng.random() < 0.4:
            kind = rng.choices(KINDS, (6, 3, 1))[0]
            key = (kind, f"w{self.number}-{len(self.may_be)}")
            self.ask(client, key, 0, "POST", path(kind), manifest(*key))
            return
        key = rng.choice(known)
        if rng.random() < 0.3:
            self.ask(client, key, ABSENT, "DELETE", path(*key))
            return
        value = rng.randrange(1, 1_000_000)
        patch = {"metadata": {"labels": {"value": str(value)}}}
        self.ask(client, key, value, "PATCH", path(*key), patch, content_type=MERGE_PATCH)

    def ask(
        self,
        client: Client,
        key: tuple[str, str],
        new: int | None,
        method: str,
        where: str,
        body: Any = None,
        **more: Any,
    ) -> None:
        """One request; an answer that did not come leaves both the old state and the new."""
        states = self.may_be.setdefault(key, {ABSENT})
        try:
            reply = client.call(method, where, body, **more)
        except NO_ANSWER:
            states.add(new)
            return
        code, answer = reply.code, reply.json
        if code in (http.client.OK, http.client.CREATED):
            self.may_be[key] = {new}
            if method != "DELETE":  # a deletion's answer is the object as it was
                self.acknowledged[int(answer["metadata"]["resourceVersion"])] = key
        elif code == http.client.NOT_FOUND and ABSENT in states:
            self.may_be[key] = {ABSENT}
        elif code not in (http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE):
            raise AssertionError(f"{method} {where}: {code} {answer}")


def manifest(kind: str, name: str) -> dict[str, Any]:
    meta = {"name": name, "labels": {"value": "0"}}
    tree: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": meta}
    if kind == "Service":
        tree["spec"] = {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80}]}
    elif kind == "Deployment":
        tree["apiVersion"] = "apps/v1"
        containers = [{"name": "echo", "image": "emucluster/echo"}]
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
        selector = {"matchLabels": {"app": name}}
        tree["spec"] = {"replicas": 2, "selector": selector, "template": template}
    return tree


# --- watchers ------------------------------------------------------------------------------------


@dataclass
class Watcher:
    """Follows ConfigMaps or Services by list and watch, and resumes where it was cut off."""

    kubeconfig: Path
    kind: str
    ended: threading.Event
    mirror: dict[str, str] = field(default_factory=dict)
    """Name to resourceVersion."""
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Every version that a watch told of: the type of the event, and the object's name."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """What a new list jumped over: after the first, up to the second."""
    cursor: int = 0
    resumed: int = 0
    problem: BaseException | None = None

    def run(self) -> None:
        try:
            must_list = True
            while not self.ended.is_set():
                client = Client(self.kubeconfig, timeout_s=2.0)
                try:
                    if must_list:
                        self.list(client)
                    must_list = self.follow(client)
                except NO_ANSWER:
                    time.sleep(0.02)
                finally:
                    client.close()
        except BaseException as error:
            self.problem = error

    def list(self, client: Client) -> None:
        reply = client.call("GET", path(self.kind))
        if reply.code != http.client.OK:
            return
        answer = reply.json
        version = int(answer["metadata"]["resourceVersion"])
        assert version >= self.cursor, "a list went back in time"
        self.gaps.append((self.cursor, version))
        self.cursor = version
        self.mirror = {
            item["metadata"]["name"]: item["metadata"]["resourceVersion"]
            for item in answer["items"]
        }

    def follow(self, client: Client) -> bool:
        """Watch until it ends; whether a new list is needed."""
        where = f"{path(self.kind)}?watch=true&resourceVersion={self.cursor}"
        code, events = client.stream(where)
        if code != http.client.OK:
            assert code == http.client.GONE, list(events)
            return True
        for event in events:
            obj = event["object"]
            if event["type"] == "ERROR":
                assert obj["code"] == http.client.GONE, obj
                return True
            meta = obj["metadata"]
            version = int(meta["resourceVersion"])
            assert version > self.cursor, f"{version} after {self.cursor}"
            self.cursor = version
            self.seen[version] = (event["type"], meta["name"])
            if event["type"] == "DELETED":
                self.mirror.pop(meta["name"])
            else:
                self.mirror[meta["name"]] = meta["resourceVersion"]
            if self.ended.is_set():
                break
        self.resumed += 1
        return False

    def jumped(self, version: int) -> bool:
        return any(low < version <= high for low, high in self.gaps)


# --- the test ------------------------------------------------------------------------------------


@contextmanager
def running(workers: list[Any], ended: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    for worker in workers:
        if worker.problem is not None:
            raise worker.problem


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_is_invented(tmp_path: Path) -> None:
    server, rng = Killed(tmp_path), random.Random(KILLS)
    server.start()
    try:
        kubeconfig = server.answering()
        writing, watching = threading.Event(), threading.Event()
        writers = [Writer(kubeconfig, number, writing) for number in range(WRITERS)]
        kinds = ("ConfigMap", "Service", "ConfigMap")
        watchers = [Watcher(kubeconfig, kind, watching) for kind in kinds[:WATCHERS]]
        with running(watchers, watching):
            with running(writers, writing):
                for _ in range(KILLS):
                    time.sleep(rng.uniform(*LIFE_S))
                    server.kill()
                    server.start()
                    server.answering()
            now = listed(kubeconfig)
            for watcher in watchers:
                until(
                    lambda watcher=watcher: watcher.mirror == versions(now[watcher.kind]),
                    f"a watcher of {watcher.kind} knows what is there",
                )
        check_objects(writers, now)
        check_allocations(now["Service"])
        check_versions(writers, watchers)
        until(lambda: pods_are_as_many_as_wanted(kubeconfig), "every Deployment has its two pods")
    finally:
        server.kill()


def listed(kubeconfig: Path) -> dict[str, list[dict[str, Any]]]:
    client = Client(kubeconfig)
    try:
        return {kind: client.get(path(kind))["items"] for kind in KINDS}
    finally:
        client.close()


def versions(items: list[dict[str, Any]]) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def check_objects(writers: list[Writer], now: dict[str, list[dict[str, Any]]]) -> None:
    """Each object is in one of the states that its writer's answers allow, and no other exists."""
    is_now = {
        (kind, item["metadata"]["name"]): int(item["metadata"]["labels"]["value"])
        for kind, items in now.items()
        for item in items
        if item["metadata"]["name"] != "kubernetes" and not is_root_ca(item)
    }
    may_be = {key: states for writer in writers for key, states in writer.may_be.items()}
    assert is_now.keys() <= may_be.keys(), "somebody invented an object"
    wrong = {
        key: (is_now.get(key), states)
        for key, states in may_be.items()
        if is_now.get(key) not in states
    }
    assert not wrong
    assert sum(len(writer.acknowledged) for writer in writers) > KILLS, "hardly any write went by"


def is_root_ca(item: dict[str, Any]) -> bool:
    return bool(item["metadata"]["name"] == "kube-root-ca.crt")


def check_allocations(services: list[dict[str, Any]]) -> None:
    addresses = Counter(service["spec"]["clusterIP"] for service in services)
    ports = Counter(
        port["nodePort"] for s in services for port in s["spec"]["ports"] if "nodePort" in port
    )
    assert [each for each, count in addresses.items() if count > 1] == []
    assert [each for each, count in ports.items() if count > 1] == []


def check_versions(writers: list[Writer], watchers: list[Watcher]) -> None:
    """A version means one thing, and a watch told of every acknowledged write that it spanned."""
    told: dict[int, tuple[str, str]] = {}
    for watcher in watchers:
        for version, (_, name) in watcher.seen.items():
            assert told.setdefault(version, (watcher.kind, name)) == (watcher.kind, name)
    written: dict[int, tuple[str, str]] = {}
    for writer in writers:
        for version, key in writer.acknowledged.items():
            assert written.setdefault(version, key) == key
            assert told.get(version, key) == key
    for watcher in watchers:
        mine = {version for version, key in written.items() if key[0] == watcher.kind}
        missed = {v for v in mine - watcher.seen.keys() if not watcher.jumped(v)}
        assert not missed
        assert watcher.resumed, "no watch was ever resumed"
        assert watcher.seen


def pods_are_as_many_as_wanted(kubeconfig: Path) -> bool:
    client = Client(kubeconfig)
    try:
        pods = client.get("/api/v1/namespaces/default/pods")["items"]
    finally:
        client.close()
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    counts = Counter(pod["metadata"]["labels"]["app"] for pod in living)
    wanted = {item["metadata"]["name"]: 2 for item in listed(kubeconfig)["Deployment"]}
    return dict(counts) == wanted
