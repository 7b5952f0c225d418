"""What annotations ask of a Service's load balancer, translated into the words of `cloudlb`.

Only the annotations of the cloud in use count, as in real life; ours override them. A value is
passed on as it is written: whoever builds the load balancer refuses what makes no sense.

Sources: kubernetes-sigs/aws-load-balancer-controller docs/guide/service/annotations.md,
kubernetes/cloud-provider-aws docs/service_controller.md, cloud-provider-azure site
"LoadBalancer annotations". GCP's passthrough load balancers take none of these from annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

OURS = "service.beta.emucluster.dev/"
"""`service.beta.emucluster.dev/idle-timeout-s: "20"` sets `idle_timeout_s`, for every key there is;
`.../preset: gcp` chooses another load balancer for this Service."""
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_AWS = "service.beta.kubernetes.io/aws-load-balancer-"
_AZURE = "service.beta.kubernetes.io/azure-load-balancer-"

Settings = dict[str, str]
Translate = Callable[[str], Settings]

OWN_CLASSES: Mapping[str, frozenset[str]] = {
    "aws-nlb": frozenset({"service.k8s.aws/nlb"}),
    "gcp": frozenset(
        {"networking.gke.io/l4-regional-external", "networking.gke.io/l4-regional-internal"}
    ),
}
"""The loadBalancerClass values that each cloud's controller takes for its own."""


def is_ours(load_balancer_class: str | None, preset: str | None) -> bool:
    """Whether the cloud in use looks after a Service of this class; without a class it does."""
    if not load_balancer_class:
        return True
    return load_balancer_class in OWN_CLASSES.get(preset or "", frozenset())


def preset_of(annotations: Mapping[str, str] | None, default: str) -> str:
    return (annotations or {}).get(f"{OURS}preset", default)


def source_ranges(spec: tuple[str, ...], annotations: Mapping[str, str] | None) -> tuple[str, ...]:
    """`spec.loadBalancerSourceRanges`, or the older annotation where that is empty."""
    if spec:
        return spec
    listed = (annotations or {}).get(SOURCE_RANGES, "")
    return tuple(each.strip() for each in listed.split(",") if each.strip())


def settings_of(annotations: Mapping[str, str] | None, preset: str) -> Settings:
    """The settings that the annotations of `preset`'s cloud and ours ask for."""
    settings: Settings = {}
    given = annotations or {}
    for name, value in given.items():
        for start, translate in _TABLES.get(preset, {}).items():
            if name == start or (start.endswith("*") and name.startswith(start[:-1])):
                settings.update(translate(value.strip()))
    if given.get(f"{_AWS}connection-draining-enabled", "").lower() == "false":
        settings.pop("deregistration_delay_s", None)
    for name, value in given.items():
        if name.startswith(OURS) and name != f"{OURS}preset":
            settings[name.removeprefix(OURS).replace("-", "_")] = value.strip()
    return settings


def _to(key: str) -> Translate:
    return lambda value: {key: value}


def _lower(key: str) -> Translate:
    return lambda value: {key: value.lower()}


def _minutes(key: str) -> Translate:
    def translate(value: str) -> Settings:
        try:
            return {key: f"{float(value) * 60:g}"}
        except ValueError:
            return {key: value}

    return translate


def _attributes(known: Mapping[str, Translate]) -> Translate:
    """A list `name=value,name=value`; names without effect on traffic are passed over."""

    def translate(value: str) -> Settings:
        settings: Settings = {}
        for pair in value.split(","):
            name, _, one = pair.partition("=")
            if (meant := known.get(name.strip())) is not None:
                settings.update(meant(one.strip()))
        return settings

    return translate


def _on_unhealthy(value: str) -> Settings:
    return {"on_unhealthy": "reset-flows" if value.lower() == "true" else "flows-stay"}


def _probe_interval(value: str) -> Settings:
    # A probe of Azure has until the next one.
    return {"interval_s": value, "timeout_s": value}


_AWS_HEALTH_CHECK: dict[str, Translate] = {
    f"{_AWS}healthcheck-interval": _to("interval_s"),
    f"{_AWS}healthcheck-timeout": _to("timeout_s"),
    f"{_AWS}healthcheck-healthy-threshold": _to("healthy_threshold"),
    f"{_AWS}healthcheck-unhealthy-threshold": _to("unhealthy_threshold"),
    f"{_AWS}healthcheck-protocol": _lower("protocol"),
    f"{_AWS}healthcheck-port": _to("port"),
    f"{_AWS}healthcheck-path": _to("path"),
    f"{_AWS}cross-zone-load-balancing-enabled": _lower("cross_zone"),
}

_TABLES: dict[str, dict[str, Translate]] = {
    "aws-nlb": {
        **_AWS_HEALTH_CHECK,
        f"{_AWS}attributes": _attributes({"load_balancing.cross_zone.enabled": _to("cross_zone")}),
        f"{_AWS}target-group-attributes": _attributes(
            {
                "deregistration_delay.timeout_seconds": _to("deregistration_delay_s"),
                "deregistration_delay.connection_termination.enabled": _to(
                    "connection_termination"
                ),
                "preserve_client_ip.enabled": _to("preserves_client_ip"),
                "stickiness.enabled": _to("client_affinity"),
                "load_balancing.cross_zone.enabled": _to("cross_zone"),
                "target_health_state.unhealthy.connection_termination.enabled": _on_unhealthy,
            }
        ),
        f"{_AWS}listener-attributes.*": _attributes(
            {"tcp.idle_timeout.seconds": _to("idle_timeout_s")}
        ),
    },
    "aws-clb": {
        **_AWS_HEALTH_CHECK,
        f"{_AWS}connection-idle-timeout": _to("idle_timeout_s"),
        f"{_AWS}connection-draining-timeout": _to("deregistration_delay_s"),
    },
    "azure": {
        f"{_AZURE}health-probe-interval": _probe_interval,
        f"{_AZURE}health-probe-num-of-probe": _to("unhealthy_threshold"),
        f"{_AZURE}health-probe-request-path": _to("path"),
        f"{_AZURE}health-probe-protocol": _lower("protocol"),
        f"{_AZURE}tcp-idle-timeout": _minutes("idle_timeout_s"),
    },
}
