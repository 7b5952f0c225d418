"""What the schedules' look at sockets rests on: a filter of another process is seen."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.lab.socket_filters import filtered

PROGRAM = """
import socket, sys
from emucluster.live.network import packet_filter
first, second = socket.socket(), socket.socket()
print("none", flush=True)
sys.stdin.readline()
packet_filter.drop_all(first)
print("one", flush=True)
sys.stdin.readline()
"""


def test_filters_of_another_process_are_counted() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "none\n"
        try:
            assert filtered(process.pid) == 0
        except PermissionError as error:
            process.kill()
            pytest.skip(str(error))
        process.stdin.write("\n")
        process.stdin.flush()
        if process.stdout.readline() != "one\n":
            pytest.skip("this kernel lets us attach no filter")
        assert filtered(process.pid) == 1
        process.stdin.close()
    assert filtered(process.pid) == 0
