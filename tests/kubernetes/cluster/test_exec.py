"""`kubectl exec`, `attach` and `cp`: processes in pods, over WebSockets.

Exit codes and words are those of kubernetes pkg/kubelet/cri/streaming/remotecommand.
"""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

import pytest

from tests.kubernetes.kubectl import Kubectl, needed

pytestmark = [pytest.mark.live, needed]


def test_streams_and_the_exit_code_come_through(workshop: Kubectl) -> None:
    script = "echo $GREETING; echo oops >&2; exit 7"
    done = workshop.run("exec", "own", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (7, "hi\n")
    assert done.stderr == "oops\ncommand terminated with exit code 7\n"


def test_the_process_stands_where_its_container_does(workshop: Kubectl) -> None:
    address = workshop("get", "pod", "own", "-o", "jsonpath={.status.podIP}")
    said = workshop("exec", "own", "--", "sh", "-c", "echo $HOST; echo $http_proxy")
    assert said.split() == [address, f"http://{address}:15001"]


def test_what_goes_in_comes_out(workshop: Kubectl) -> None:
    data = os.urandom(1_000_000)
    assert workshop.raw("exec", "-i", "own", "--", "cat", stdin=data) == data


def test_what_is_not_there_cannot_be_started(workshop: Kubectl) -> None:
    done = workshop.run("exec", "own", "--", "nothing-of-that-name")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: Internal error occurred: error executing command in container: "
        "failed to exec in container: "
    )
    assert done.stderr.endswith(
        'exec: "nothing-of-that-name": executable file not found in $PATH: unknown\n'
    )
    said = workshop.run("exec", "own", "--", "sh", "-c", "nothing-of-that-name")
    assert said.returncode == 127
    assert said.stderr.endswith("command terminated with exit code 127\n")


def test_a_terminal_has_the_size_of_ours(workshop: Kubectl) -> None:
    ours, theirs = pty.openpty()
    os.set_inheritable(theirs, True)
    subprocess.run(["stty", "cols", "91", "rows", "33"], stdin=theirs, check=True)
    # The size comes after the process has begun, as in Kubernetes.
    script = "until stty size | grep 33; do sleep 0.1; done; read x; exit $x"
    command = workshop.command("exec", "-it", "own", "--", "sh", "-c", script)
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=workshop.env
    )
    os.close(theirs)
    said = b""
    while b"33 91" not in said:
        said += os.read(ours, 1024)
    os.write(ours, b"5\r")
    assert process.wait(60) == 5
    os.close(ours)


def test_whoever_goes_takes_the_process_along(workshop: Kubectl, tmp_path: Path) -> None:
    seconds = f"600.{os.getpid()}"
    with workshop.start("exec", "own", "--", "sh", "-c", f"echo $$; exec sleep {seconds}") as going:
        assert going.stdout is not None
        pid = int(going.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
    give_up = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < give_up, "the process goes on"
        time.sleep(0.1)


def test_files_are_copied_there_and_back(workshop: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(os.urandom(200_000))
    workshop("cp", str(tmp_path / "here"), f"own:{tmp_path}/there")
    workshop("cp", f"own:{tmp_path}/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "here").read_bytes()


def test_attaching_shows_what_is_written_from_now_on(workshop: Kubectl) -> None:
    with workshop.start("attach", "own") as attached:
        assert attached.stdout is not None
        lines = [attached.stdout.readline() for _ in range(3)]
    ticks = [line for line in lines if line.startswith("tick ")]
    assert len(ticks) >= 2
    assert ticks[0] != "tick 1\n"


RUN = ("run", "--rm", "-i", "--image=emucluster/command", "--restart=Never")


def test_a_pod_that_ends_before_anybody_attaches_shows_its_log(workshop: Kubectl) -> None:
    done = workshop.run(*RUN, "brief", "--command", "--", "/bin/echo", "out")
    assert (done.returncode, done.stdout) == (0, 'out\npod "brief" deleted\n')


def test_a_pod_that_is_run_reads_what_it_is_given_and_its_exit_code_is_told(
    workshop: Kubectl,
) -> None:
    script = "read x; echo got $x; cat; exit 5"
    done = workshop.run(*RUN, "asked", "--command", "--", "sh", "-c", script, stdin="hello\nmore\n")
    assert done.returncode == 5
    assert done.stdout.replace('pod "asked" deleted\n', "") == "got hello\nmore\n"


def test_a_container_that_has_ended_is_not_attached_to(workshop: Kubectl) -> None:
    command = ("--command", "--", "true")
    workshop("run", "ended", "--image=emucluster/command", "--restart=Never", *command)
    workshop("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/ended", "--timeout=60s")
    path = f"/api/v1/namespaces/{workshop.namespace}/pods/ended/attach?stdout=true"
    done = workshop.run("get", "--raw", path)
    assert 'unable to upgrade connection: container not found ("ended")' in done.stderr
    workshop("delete", "pod", "ended", "--wait=false")


@pytest.mark.parametrize("verb", ["exec", "attach"])
def test_a_pod_without_processes_of_its_own_says_so(workshop: Kubectl, verb: str) -> None:
    command = ["--", "sh"] if verb == "exec" else []
    for name in ("echo", "talker"):
        done = workshop.run(verb, name, *command)
        assert done.returncode == 1
        assert "has no processes of its own" in done.stderr


def test_a_container_that_does_not_run_says_so(workshop: Kubectl) -> None:
    done = workshop.run("exec", "nowhere", "--", "sh")
    assert done.returncode == 1
    assert 'unable to upgrade connection: container not found ("main")' in done.stderr


def test_clients_that_speak_spdy_alone_are_told(workshop: Kubectl) -> None:
    off = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
    done = workshop.run("exec", "own", "--", "true", **off)
    assert done.returncode == 1
    assert "streams by SPDY are not served" in done.stderr
