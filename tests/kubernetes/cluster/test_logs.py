"""`kubectl logs`.

Words are those of kubernetes pkg/registry/core/pod/strategy.go and pkg/kubelet/kubelet_pods.go.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kubernetes.kubectl import Kubectl, needed
from tests.kubernetes.workshop import own, write_programs

pytestmark = [pytest.mark.live, needed]


def test_a_command_has_written_both_its_streams(workshop: Kubectl) -> None:
    lines = workshop("logs", "own").splitlines()
    assert lines[:3] == ["serving", "complaint", "tick 1"]
    assert workshop("logs", "own", "--tail=1").startswith("tick ")
    assert workshop("logs", "own", "--tail=0") == ""
    assert workshop("logs", "own", "--limit-bytes=5") == "servi"


def test_a_servicer_has_printed_and_logged(workshop: Kubectl) -> None:
    said = workshop("logs", "talker")
    assert "printed\n" in said
    assert "INFO:talker:logged\n" in said
    assert "serving python://talker:add on " in said


def test_echo_tells_where_it_serves(workshop: Kubectl) -> None:
    assert "serving emucluster/echo on " in workshop("logs", "echo")


def test_lines_are_told_with_their_times_and_old_ones_left_out(workshop: Kubectl) -> None:
    lines = workshop("logs", "own", "--timestamps", "--since=60s").splitlines()
    stamps = [datetime.fromisoformat(line.split(" ", 1)[0]) for line in lines]
    assert stamps == sorted(stamps)
    assert all(re.match(r"[\d-]+T[\d:]+\.\d{9}Z (tick \d+|serving|complaint)", li) for li in lines)
    assert (datetime.now(UTC) - stamps[-1]).total_seconds() < 30
    since = workshop("logs", "own", "--since=1s").splitlines()
    assert 0 < len(since) < 30
    assert workshop("logs", "own", "--since-time=2100-01-01T00:00:00Z") == ""


def test_of_several_containers_one_is_named(workshop: Kubectl) -> None:
    assert "ports 50052" in workshop("logs", "two", "-c", "b")
    both = workshop("logs", "two", "--all-containers", "--prefix").splitlines()
    assert {line.split()[0] for line in both} == {"[pod/two/a]", "[pod/two/b]"}
    path = f"/api/v1/namespaces/{workshop.namespace}/pods/two/log"
    refused = workshop.run("get", "--raw", path)
    assert refused.stderr == (
        "Error from server (BadRequest): a container name must be specified for pod two, "
        "choose one of: [a b]\n"
    )
    wrong = workshop.run("get", "--raw", f"{path}?container=c")
    assert wrong.stderr == "Error from server (BadRequest): container c is not valid for pod two\n"


def test_a_container_that_has_no_log_yet_says_why(workshop: Kubectl) -> None:
    assert re.fullmatch(
        r'Error from server \(BadRequest\): container "main" in pod "nowhere" is waiting to start: '
        r"(trying and failing to pull image|image can't be pulled)\n",
        workshop.run("logs", "nowhere").stderr,
    )
    assert workshop.run("logs", "own", "--previous").stderr == (
        'Error from server (BadRequest): previous terminated container "main" in pod "own" '
        "not found\n"
    )


def test_options_that_cannot_be_are_named(workshop: Kubectl) -> None:
    path = f"/api/v1/namespaces/{workshop.namespace}/pods/own/log"
    refused = workshop.run("get", "--raw", f"{path}?tailLines=-1&limitBytes=0")
    assert 'PodLogOptions "own" is invalid' in refused.stderr
    assert "tailLines: Invalid value: -1: must be greater than or equal to 0" in refused.stderr
    assert "limitBytes: Invalid value: 0: must be greater than 0" in refused.stderr


def test_following_ends_with_the_container_whose_log_is_then_the_previous_one(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    write_programs(tmp_path)
    die = tmp_path / "die"
    kubectl.apply(own(tmp_path, DIE_AT=str(die)))
    kubectl("wait", "--for=condition=Ready", "pod/own", "--timeout=90s")
    with kubectl.start("logs", "-f", "own", "--tail=1") as following:
        assert following.stdout is not None
        assert following.stdout.readline().startswith("tick ")
        assert following.stdout.readline().startswith("tick ")
        die.touch()
        assert following.stdout.read().endswith("last words\n")
        assert following.wait(60) == 0
    give_up = time.monotonic() + 60
    while (
        kubectl("get", "pod", "own", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
        != "1"
    ):
        assert time.monotonic() < give_up, "it is not restarted"
        time.sleep(0.2)
    kubectl("wait", "--for=condition=Ready", "pod/own", "--timeout=90s")
    assert kubectl("logs", "own", "--previous", "--tail=1") == "last words\n"
    assert "last words" not in kubectl("logs", "own")
