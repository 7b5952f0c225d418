"""Pods of every kind, which tests look into and leave as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PORT = 7000
SERVER = f"""#!{sys.executable}
import os, sys, time
from concurrent import futures
import grpc

class Pong(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"pong " + request)

server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Pong(),))
server.add_insecure_port(os.environ["HOST"] + ":" + os.environ["PORT"])
server.start()
print("serving", flush=True)
print("complaint", file=sys.stderr, flush=True)
number = 0
while not os.path.exists(os.environ.get("DIE_AT", "/nowhere")):
    number += 1
    print("tick", number, flush=True)
    time.sleep(0.5)
os.remove(os.environ["DIE_AT"])
print("last words", flush=True)
os._exit(3)
"""
TALKER = """
import logging

logging.basicConfig(level=logging.INFO)

def add(server):
    print("printed")
    logging.getLogger("talker").info("logged")
"""


def write_programs(directory: Path) -> None:
    """What `own` and `talker` run."""
    (directory / "server").write_text(SERVER)
    (directory / "server").chmod(0o755)
    (directory / "talker.py").write_text(TALKER)


def pod(name: str, *containers: dict[str, Any], labels: Any = None) -> dict[str, Any]:
    """A manifest; containers have a name and an image at least."""
    metadata = {"name": name, "labels": labels or {"app": name}}
    spec = {"containers": list(containers), "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def own(directory: Path, name: str = "own", **env: str) -> dict[str, Any]:
    """A pod with a process: a gRPC server that ticks into its log twice a second."""
    return pod(
        name,
        {
            "name": "main",
            "image": f"command:{directory}/server",
            "ports": [{"containerPort": PORT, "name": "grpc"}],
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "readinessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 1},
        },
    )


def echo(name: str, *containers: str) -> dict[str, Any]:
    """A pod of echo containers."""
    return pod(
        name,
        *(
            {
                "name": each,
                "image": "emucluster/echo",
                "ports": [{"containerPort": 50051 + number}],
            }
            for number, each in enumerate(containers)
        ),
    )


def manifests(directory: Path) -> list[dict[str, Any]]:
    """All that is in the namespace `workshop`."""
    talker = pod("talker", {"name": "main", "image": "python://talker:add"})
    talker["metadata"]["annotations"] = {"emucluster.dev/source-dir": str(directory)}
    port = {"port": 80, "targetPort": "grpc"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "own"},
        "spec": {"selector": {"app": "own"}, "ports": [port]},
    }
    nowhere = pod("nowhere", {"name": "main", "image": "nginx:1.27"})
    pods = [own(directory, GREETING="hi"), talker, echo("echo", "main"), echo("two", "a", "b")]
    return [*pods, nowhere, service]
