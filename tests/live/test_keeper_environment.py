"""What a keeper inherits of the user's environment."""

from pathlib import Path

from emucluster.live.keeper.environment import keeper_environment

THEIRS = {
    "RAY_ADDRESS": "10.0.0.1:6379",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": "garbage",
    "RAY_AUTH_TOKEN": "theirs",
    "RAY_USE_TLS": "1",
    "GRPC_POLL_STRATEGY": "none",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
}


def test_nothing_meant_for_another_ray_or_grpc_reaches_a_private_ray() -> None:
    kept = keeper_environment({**THEIRS, "HOME": "/h"}, token_path=Path("/t"), own_ray=True)

    assert not THEIRS.keys() & kept.keys()
    assert kept["HOME"] == "/h"
    assert (kept["RAY_AUTH_MODE"], kept["RAY_AUTH_TOKEN_PATH"]) == ("token", "/t")


def test_a_ray_that_was_named_keeps_what_lets_us_in_and_no_more() -> None:
    kept = keeper_environment(THEIRS, token_path=Path("/t"), own_ray=False)

    assert THEIRS.keys() & kept.keys() == {"RAY_AUTH_TOKEN", "RAY_USE_TLS"}
    assert "RAY_AUTH_TOKEN_PATH" not in kept
