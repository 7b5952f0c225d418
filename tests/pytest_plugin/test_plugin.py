"""The pytest plugin: what it costs who does not use it, and how it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emucluster.pytest_plugin.shared import namespace_name

pytest_plugins = ["pytester"]

HEAVY = ("grpc", "ray", "msgspec", "yaml", "click", "google", "prometheus_client", "asyncio")


def test_to_load_the_plugin_loads_nothing_but_itself() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import emucluster.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout
    assert "'emucluster.pytest_plugin'" in loaded
    assert not [name for name in HEAVY if f"'{name}'" in loaded], loaded


def test_the_help_lists_the_options_with_their_defaults(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--emucluster-nodes=VALUE", "*worker nodes*3*"])
    result.stdout.fnmatch_lines(["*emucluster_speed*"])


@pytest.mark.parametrize(
    ("arguments", "ini", "told"),
    [
        (["--emucluster-nodes=many"], "", "emucluster_nodes: must be of type int, got 'many'"),
        pytest.param(
            *([], "emucluster_speed = quick", "emucluster_speed: must be of type float"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(["--emucluster-cloud=vapour"], "", "cloud: must be one of aws-nlb"),
            marks=pytest.mark.slow,
        ),
        (["--emucluster-use=nobodys"], "", 'no cluster "nobodys" is running'),
    ],
)
def test_an_option_that_makes_no_sense_is_one_clear_error(
    pytester: pytest.Pytester, arguments: list[str], ini: str, told: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makepyfile("def test_one(emucluster): pass\ndef test_two(emucluster): pass")
    result = pytester.runpytest_subprocess(*arguments)
    assert result.ret != 0
    assert told in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stdout.str()


def test_a_fixture_of_the_same_name_in_somebody_elses_tests_is_left_alone(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def emucluster():
            return 7

        def test_fails(emucluster):
            assert emucluster == 8
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("test_retries_hide_a_node_loss", "test-retries-hide-a-node-loss-7"),
        ("test_[aws-nlb-2.5]", "test-aws-nlb-2-5-7"),
        ("test_" + "x" * 100, "test-" + "x" * 35 + "-7"),
        ("Ünïcode", "n-code-7"),
        ("___", "test-7"),
    ],
)
def test_a_namespace_is_named_after_its_test(test: str, name: str) -> None:
    assert namespace_name(test, 7) == name
