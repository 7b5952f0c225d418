import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.cloudlb.presets import DEFAULT_PRESET, PRESETS
from emucluster.core.cloudlb.settings import InvalidSetting, resolve
from emucluster.core.durations import Speed


@pytest.mark.parametrize(
    ("preset", "local", "numbers", "asked"),
    [
        ("aws-nlb", False, (10, 10, 3, 3), ("tcp", "traffic")),
        ("aws-nlb", True, (10, 6, 2, 2), ("http", "health-check-node-port")),
        ("aws-clb", False, (10, 5, 2, 6), ("tcp", "traffic")),
        ("gcp", False, (8, 1, 1, 3), ("http", "kube-proxy")),
        ("gcp", True, (3, 1, 1, 2), ("http", "health-check-node-port")),
        ("azure", False, (5, 5, 1, 2), ("http", "kube-proxy")),
        ("haproxy", False, (1, 0.5, 2, 3), ("tcp", "traffic")),
        ("envoy", False, (1, 0.5, 2, 3), ("tcp", "traffic")),
    ],
)
def test_interval_timeout_healthy_unhealthy_and_what_is_asked(
    preset: str, local: bool, numbers: tuple[float, ...], asked: tuple[str, str]
) -> None:
    check = resolve(preset, local=local).health_check
    counts = (check.healthy_threshold, check.unhealthy_threshold)
    assert (check.interval_s, check.timeout_s, *counts) == numbers
    assert (check.protocol, check.port) == asked


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT_PRESET == "aws-nlb"
    assert set(PRESETS) == {"aws-nlb", "aws-clb", "gcp", "azure", "haproxy", "envoy"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("interval", "10", "interval: unknown; known are algorithm, "),
        ("interval_s", "0", "interval_s: must be a number above 0 to 3600, got '0'"),
        ("interval_s", "ten", "interval_s: must be a number above 0 to 3600, got 'ten'"),
        ("interval_s", True, "interval_s: must be a number above 0 to 3600, got True"),
        ("timeout_s", "11", "timeout_s: must not exceed interval_s (10), is 11"),
        ("healthy_threshold", "2.5", "healthy_threshold: must be a whole number from 1 to 100"),
        ("protocol", "udp", "protocol: must be one of tcp, http, got 'udp'"),
        ("port", "http", "port: must be a port number, traffic, kube-proxy or health-check-"),
        ("path", "healthz", "path: must be an absolute URL path, got 'healthz'"),
        ("path", "/a\r\nHost: b", "path: must be an absolute URL path"),
        ("cross_zone", "yes", "cross_zone: must be true or false, got 'yes'"),
        ("algorithm", "best", "algorithm: must be one of flow-hash, round-robin, least-request"),
    ],
)
def test_a_bad_setting_is_refused_by_its_key(key: str, value: str | bool, message: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        resolve("aws-nlb", settings={key: value})
    assert str(caught.value).startswith(message)
    assert caught.value.key == key


def test_settings_override_the_preset_and_text_is_read() -> None:
    policy = resolve(
        "aws-nlb",
        settings={
            "protocol": "http",
            "port": "8081",
            "path": "/up",
            "interval_s": "20",
            "unhealthy_threshold": 2,
            "cross_zone": "false",
            "deregistration_delay_s": 60,
            "idle_timeout_s": "400",
        },
    )
    check = policy.health_check
    assert (check.protocol, check.fixed_port, check.path) == ("http", 8081, "/up")
    assert (check.interval_s, check.unhealthy_threshold, check.healthy_threshold) == (20, 2, 3)
    assert (policy.cross_zone, policy.deregistration_delay_s, policy.idle_timeout_s) == (
        False,
        60,
        400,
    )


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(InvalidSetting, match="must be one of aws-nlb, aws-clb, gcp"):
        resolve("aws")


def test_speed_keeps_counts_and_idle_timeouts() -> None:
    real, fast = resolve("gcp"), resolve("gcp", speed=Speed(10))
    assert (fast.health_check.interval_s, fast.health_check.timeout_s) == (0.8, 0.2)
    assert fast.health_check.unhealthy_threshold == real.health_check.unhealthy_threshold
    assert (fast.deregistration_delay_s, fast.idle_timeout_s) == (3, real.idle_timeout_s)


def test_haproxy_connects_no_longer_than_its_interval() -> None:
    check = resolve("haproxy").health_check
    assert (check.probe_connect_timeout_s, check.probe_timeout_s) == (1, 1)
    http = resolve("haproxy", local=True).health_check
    assert (http.probe_connect_timeout_s, http.probe_timeout_s) == (1, 1.5)


@given(
    st.dictionaries(
        st.text(max_size=12) | st.sampled_from(["interval_s", "path", "port", "cross_zone"]),
        st.text(max_size=12) | st.integers() | st.floats() | st.booleans(),
        max_size=3,
    )
)
def test_any_settings_give_a_policy_or_one_clear_error(
    settings: dict[str, str | int | float | bool],
) -> None:
    try:
        policy = resolve("envoy", settings=settings)
    except InvalidSetting as error:
        refused = error
    else:
        assert policy.health_check.interval_s > 0
        return
    assert refused.key in {*settings, "timeout_s"}
