"""Helm, unchanged: releases of a chart with a custom kind and hooks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubernetes.kubectl import TIMEOUT_S, Kubectl, needed

HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
CHART = str(Path(__file__).parents[1] / "chart")

pytestmark = [
    pytest.mark.live,
    needed,
    pytest.mark.skipif(HELM is None, reason="there is no helm here"),
]


def run(kubectl: Kubectl, *args: str) -> subprocess.CompletedProcess[str]:
    """A command of Helm in the test's namespace, however it ends."""
    assert HELM is not None
    return subprocess.run(
        [HELM, "--namespace", kubectl.namespace, *args],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=kubectl.env,
    )


def helm(kubectl: Kubectl, *args: str) -> str:
    """What it prints. Fails the test if the command fails."""
    done = run(kubectl, *args)
    assert done.returncode == 0, f"helm {' '.join(args)}\n{done.stdout}{done.stderr}"
    return done.stdout


def history(kubectl: Kubectl) -> list[tuple[int, str]]:
    told = json.loads(helm(kubectl, "history", "shop", "-o", "json"))
    return [(each["revision"], each["status"]) for each in told]


def test_a_release_is_installed_upgraded_rolled_back_and_removed(kubectl: Kubectl) -> None:
    installed = helm(kubectl, "install", "shop", CHART, "--wait", "--timeout", "90s")
    assert "STATUS: deployed" in installed
    assert kubectl("get", "deployment/shop-web", "-o", "jsonpath={.status.readyReplicas}") == "1"
    assert kubectl("get", "knob/shop-knob", "-o", "jsonpath={.spec.turned}") == "11"
    assert kubectl("logs", "shop-migrate") == "migrated\n"
    settings = kubectl.json("get", "configmap", "shop-settings")["data"]
    assert settings.pop("kubernetes").startswith("v1.32.")
    assert settings == {"looked-up": "10.96.0.1"}

    helm(kubectl, "upgrade", "shop", CHART, "--set", "replicas=3", "--wait", "--timeout", "90s")
    assert kubectl("get", "deployment/shop-web", "-o", "jsonpath={.status.readyReplicas}") == "3"
    helm(kubectl, "rollback", "shop", "1", "--wait", "--timeout", "90s")
    assert kubectl("get", "deployment/shop-web", "-o", "jsonpath={.spec.replicas}") == "1"
    assert history(kubectl) == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    shown = helm(kubectl, "status", "shop", "--show-resources")
    assert "==> v1/Service" in shown
    assert "==> v1/Pod(related)" in shown

    helm(kubectl, "uninstall", "shop", "--wait", "--timeout", "90s")
    left = kubectl("get", "deployments,services,configmaps,knobs,secrets", "-o", "name").split()
    assert [each for each in left if "shop" in each] == []


@pytest.mark.slow
def test_an_upgrade_that_fails_is_taken_back(kubectl: Kubectl) -> None:
    helm(kubectl, "upgrade", "--install", "shop", CHART, "--wait", "--timeout", "90s")
    broken = ("upgrade", "shop", CHART, "--atomic", "--timeout", "5s", "--set", "image=nowhere:1")
    done = run(kubectl, *broken)
    assert done.returncode == 1
    assert "has been rolled back due to atomic being set" in done.stderr
    assert history(kubectl) == [(1, "superseded"), (2, "failed"), (3, "deployed")]
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deployment/shop-web", "-o", image) == "emucluster/echo"


def test_what_the_server_refuses_is_told(kubectl: Kubectl) -> None:
    helm(kubectl, "install", "shop", CHART)
    done = run(kubectl, "upgrade", "shop", CHART, "--set", "turned=12")
    assert done.returncode == 1
    refused = "spec.turned: Invalid value: 12: spec.turned in body should be less than or equal"
    assert refused in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("code", "phase"), [("0", "Succeeded"), ("3", "Failed")])
def test_the_tests_of_a_release_are_run(kubectl: Kubectl, code: str, phase: str) -> None:
    helm(kubectl, "install", "shop", CHART, "--set", f"code={code}")
    done = run(kubectl, "test", "shop", "--timeout", "60s")
    assert done.returncode == int(code != "0"), done.stderr
    assert f"Phase:          {phase}" in done.stdout
