"""Each rule with its message, and the manifest which breaks it."""

from __future__ import annotations

import pytest

from emucluster.core.admission.defaults import with_defaults
from emucluster.core.admission.validation import validate_create
from emucluster.core.objects.manifest import load

NO_SELECTOR = (
    "v1.LabelSelector{MatchLabels:map[string]string(nil), "
    "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
DNS_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
NEGATIVE = "must be greater than or equal to 0"
PORT_RANGE = "must be between 1 and 65535, inclusive"


def problems(text: str) -> list[str]:
    (obj,) = load(text, source="test")
    return [str(cause) for cause in validate_create(with_defaults(obj))]


def service(spec: str, name: str = "web") -> list[str]:
    head = f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n"
    return problems(f"{head}spec: {spec}\n")


def pod(spec: str) -> list[str]:
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default}\n"
    return problems(f"{head}spec: {spec}\n")


def container(fields: str, more: str = "") -> list[str]:
    return pod(f"{{containers: [{{name: a, image: b, {fields}}}], {more}}}")


def deployment(spec: str) -> list[str]:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: default}\n"
    template = "{metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: b}]}}"
    whole = spec.replace("TEMPLATE", f"template: {template}").replace(
        "SELECTOR", "selector: {matchLabels: {app: web}}"
    )
    return problems(f"{head}spec: {whole}\n")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", ["spec.ports: Required value"]),
        ("{clusterIP: None}", []),
        (
            "{ports: [{port: 80, name: a}, {port: 81}]}",
            ["spec.ports[1].name: Required value"],
        ),
        (
            "{ports: [{port: 80, name: A}]}",
            [f'spec.ports[0].name: Invalid value: "A": {LABEL}'],
        ),
        (
            "{ports: [{port: 80, name: a}, {port: 81, name: a}]}",
            ['spec.ports[1].name: Duplicate value: "a"'],
        ),
        (
            "{ports: [{port: 80, name: a}, {port: 80, name: b}]}",
            [
                'spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", '
                "AppProtocol:(*string)(nil), Port:80, "
                'TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}'
            ],
        ),
        ("{ports: [{port: 80, name: a}, {port: 80, name: b, protocol: UDP}]}", []),
        (
            "{ports: [{port: 70000, targetPort: 1}]}",
            [f"spec.ports[0].port: Invalid value: 70000: {PORT_RANGE}"],
        ),
        (
            "{ports: [{port: 80, targetPort: --x}]}",
            [
                'spec.ports[0].targetPort: Invalid value: "--x": must not contain consecutive '
                "hyphens",
                'spec.ports[0].targetPort: Invalid value: "--x": must not begin or end with a '
                "hyphen",
            ],
        ),
        (
            "{ports: [{port: 80, protocol: ICMP}]}",
            [
                'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", '
                '"TCP", "UDP"'
            ],
        ),
        (
            "{ports: [{port: 80, nodePort: 30080}]}",
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            "{type: NodePort, ports: [{port: 1, nodePort: 30080, name: a},"
            " {port: 2, nodePort: 30080, name: b}]}",
            ["spec.ports[1].nodePort: Duplicate value: 30080"],
        ),
        (
            "{type: LoadBalancer, ports: [{port: 10250}]}",
            [
                "spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since "
                "it is used by kubelet"
            ],
        ),
        (
            "{type: NodePort, clusterIP: None, ports: [{port: 80}]}",
            [
                "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
                "NodePort services"
            ],
        ),
        ("{type: ExternalName}", ["spec.externalName: Required value"]),
        ("{type: ExternalName, externalName: db.example.}", []),
        (
            "{type: ExternalName, externalName: a.example, ipFamilies: [IPv4]}",
            ["spec.ipFamilies: Forbidden: may not be set for ExternalName services"],
        ),
        (
            "{externalTrafficPolicy: Local, ports: [{port: 80}]}",
            [
                'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
                "externally-accessible services"
            ],
        ),
        (
            "{type: NodePort, healthCheckNodePort: 31000, ports: [{port: 80}]}",
            [
                "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is "
                "'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            ],
        ),
        (
            "{loadBalancerClass: a/b, ports: [{port: 80}]}",
            ["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
        ),
        (
            "{sessionAffinity: ClientIP, ports: [{port: 80}],"
            " sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}}",
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must "
                "be greater than 0 and less than 86400"
            ],
        ),
        (
            "{sessionAffinity: Cookie, ports: [{port: 80}]}",
            [
                'spec.sessionAffinity: Unsupported value: "Cookie": supported values: '
                '"ClientIP", "None"'
            ],
        ),
        (
            "{type: Ingress, ports: [{port: 80}]}",
            [
                'spec.type: Unsupported value: "Ingress": supported values: "ClusterIP", '
                '"ExternalName", "LoadBalancer", "NodePort"'
            ],
        ),
        (
            "{externalIPs: [127.0.0.1, 0.0.0.0, x], ports: [{port: 80}]}",
            [
                'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range '
                "(127.0.0.0/8, ::1/128)",
                'spec.externalIPs[1]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
                'spec.externalIPs[2]: Invalid value: "x": must be a valid IP address, (e.g. '
                "10.9.8.7 or 2001:db8::ffff)",
            ],
        ),
        (
            "{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1], ports: [{port: 80}]}",
            [
                'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1": must be a valid '
                "CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ],
        ),
        (
            "{clusterIP: 10.96.0.9, clusterIPs: [10.96.0.8], ports: [{port: 80}]}",
            [
                'spec.clusterIPs: Invalid value: []string{"10.96.0.8"}: first value must match '
                "`clusterIP`",
            ],
        ),
    ],
)
def test_services_are_held_to_their_rules(spec: str, expected: list[str]) -> None:
    found = service(spec)
    assert [p for p in found if not p.startswith("spec.externalTrafficPolicy: Req")] == expected


def test_the_name_of_a_service_is_a_dns_label_that_starts_with_a_letter() -> None:
    found = service("{ports: [{port: 80}]}", name="1web")
    assert found == [f'metadata.name: Invalid value: "1web": {DNS_1035}']
    long = "a" * 64
    assert service("{ports: [{port: 80}]}", name=long) == [
        f'metadata.name: Invalid value: "{long}": must be no more than 63 bytes'
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("ports: [{name: a}]", ["ports[0].containerPort: Required value"]),
        (
            "ports: [{containerPort: 99999}]",
            [f"ports[0].containerPort: Invalid value: 99999: {PORT_RANGE}"],
        ),
        (
            "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
            ['ports[1].name: Duplicate value: "a"'],
        ),
        (
            "ports: [{containerPort: 1, hostPort: 9}, {containerPort: 2, hostPort: 9}]",
            ['ports[1].hostPort: Duplicate value: "TCP//9"'],
        ),
        (
            "env: [{name: A=B}]",
            [
                'env[0].name: Invalid value: "A=B": a valid environment variable name must '
                "consist only of printable ASCII characters other than '='"
            ],
        ),
        (
            "env: [{name: A, valueFrom: {}}]",
            [
                'env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
                "`resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            ],
        ),
        (
            "env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
            ['env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        ),
        (
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.foo}}}]",
            [
                'env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting '
                "fieldPath: field label not supported: spec.foo"
            ],
        ),
        ("readinessProbe: {}", ["readinessProbe: Required value: must specify a handler type"]),
        (
            "readinessProbe: {tcpSocket: {port: 1}, grpc: {port: 1}}",
            ["readinessProbe.grpc: Forbidden: may not specify more than 1 handler type"],
        ),
        (
            "livenessProbe: {grpc: {port: 1}, successThreshold: 2}",
            ["livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            "startupProbe: {tcpSocket: {port: http}, periodSeconds: -1}",
            [
                "startupProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
        (
            "lifecycle: {preStop: {sleep: {seconds: 31}}}",
            [
                "lifecycle.preStop.sleep: Invalid value: 31: must be greater than 0 and less than "
                "terminationGracePeriodSeconds (30)"
            ],
        ),
        ("volumeMounts: [{name: x, mountPath: /x}]", ['volumeMounts[0].name: Not found: "x"']),
        (
            "imagePullPolicy: Sometimes",
            [
                'imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", '
                '"IfNotPresent", "Never"'
            ],
        ),
    ],
)
def test_containers_are_held_to_their_rules(fields: str, expected: list[str]) -> None:
    assert container(fields) == [f"spec.containers[0].{text}" for text in expected]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", ["spec.containers: Required value"]),
        (
            "{containers: [{}]}",
            ["spec.containers[0].name: Required value", "spec.containers[0].image: Required value"],
        ),
        (
            "{containers: [{name: a, image: b}, {name: a, image: b}]}",
            ['spec.containers[1].name: Duplicate value: "a"'],
        ),
        (
            "{restartPolicy: Maybe, containers: [{name: a, image: b}]}",
            [
                'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", '
                '"OnFailure", "Never"'
            ],
        ),
        (
            "{tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 1}],"
            " containers: [{name: a, image: b}]}",
            [
                'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be '
                "'NoExecute' when `tolerationSeconds` is set"
            ],
        ),
        (
            "{tolerations: [{effect: NoExecute}], containers: [{name: a, image: b}]}",
            [
                'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when '
                '`key` is empty, which means "match all values and all keys"'
            ],
        ),
        (
            "{volumes: [{name: a}, {name: a}], containers: [{name: a, image: b}]}",
            ['spec.volumes[1].name: Duplicate value: "a"'],
        ),
    ],
)
def test_pods_are_held_to_their_rules(spec: str, expected: list[str]) -> None:
    assert pod(spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{SELECTOR, TEMPLATE}", []),
        ("{TEMPLATE}", ["spec.selector: Required value"]),
        (
            "{selector: {}, TEMPLATE}",
            [
                f"spec.selector: Invalid value: {NO_SELECTOR}: empty selector is invalid for "
                "deployment"
            ],
        ),
        (
            "{selector: {matchLabels: {app: other}}, TEMPLATE}",
            [
                'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: '
                "`selector` does "
                "not match template `labels`"
            ],
        ),
        (
            "{replicas: -1, SELECTOR, TEMPLATE}",
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            "{strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}, SELECTOR, TEMPLATE}",
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "
                "intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"0%"}: may not be 0 '
                "when `maxSurge` is 0"
            ],
        ),
        (
            "{strategy: {rollingUpdate: {maxUnavailable: 200%}}, SELECTOR, TEMPLATE}",
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "
                "intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"200%"}: must not be '
                "greater than 100%"
            ],
        ),
        (
            "{strategy: {rollingUpdate: {maxSurge: lots}}, SELECTOR, TEMPLATE}",
            [
                "spec.strategy.rollingUpdate.maxSurge: Invalid value: intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"lots"}: a valid percent '
                "string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                "regex used for validation is '[0-9]+%')"
            ],
        ),
        (
            "{strategy: {type: Recreate, rollingUpdate: {}}, SELECTOR, TEMPLATE}",
            [
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy "
                "`type` is 'Recreate'"
            ],
        ),
        (
            "{progressDeadlineSeconds: 5, minReadySeconds: 5, SELECTOR, TEMPLATE}",
            [
                "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than "
                "minReadySeconds"
            ],
        ),
    ],
)
def test_deployments_are_held_to_their_rules(spec: str, expected: list[str]) -> None:
    assert deployment(spec) == expected


def endpoint_slice(rest: str) -> list[str]:
    head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    return problems(f"{head}metadata: {{name: web, namespace: default}}\n{rest}\n")


@pytest.mark.parametrize("address", ["127.32.1.2", "127.63.255.254", "192.0.2.1"])
def test_a_slice_takes_the_addresses_of_this_clusters_pods(address: str) -> None:
    assert endpoint_slice(f"addressType: IPv4\nendpoints: [{{addresses: [{address}]}}]") == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.16.0.1", "127.64.0.1"])
def test_a_slice_refuses_any_other_loopback_address(address: str) -> None:
    found = endpoint_slice(f"addressType: IPv4\nendpoints: [{{addresses: [{address}]}}]")
    assert found == [
        f'endpoints[0].addresses[0]: Invalid value: "{address}": may not be in the loopback range '
        "(127.0.0.0/8, ::1/128)"
    ]


def test_slices_are_held_to_their_rules() -> None:
    assert endpoint_slice("") == ["addressType: Required value"]
    assert endpoint_slice("addressType: IPv4\nendpoints: [{}]") == [
        "endpoints[0].addresses: Required value: must contain at least 1 address"
    ]
    many = "[" + ", ".join(["{addresses: [192.0.2.1]}"] * 1001) + "]"
    assert endpoint_slice(f"addressType: IPv4\nendpoints: {many}") == [
        "endpoints: Too many: 1001: must have at most 1000 items"
    ]
    assert endpoint_slice("addressType: IPv4\nports: [{port: 1}, {port: 2}]") == [
        'ports[1].name: Duplicate value: ""'
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: n, namespace: x}",
            "metadata.namespace: Forbidden: not allowed on this type",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n}", "metadata.namespace: Required"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: n}",
            "metadata.name: Required value: name or generateName is required",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: A}",
            f'metadata.name: Invalid value: "A": {LABEL}',
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {x: -}}",
            'metadata.labels: Invalid value: "-": a valid label must be an empty string or',
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {/x: y}}",
            'metadata.labels: Invalid value: "/x": prefix part must be non-empty',
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {a/b/c: y}}",
            'metadata.annotations: Invalid value: "a/b/c": a qualified name must consist of',
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n, namespace: d}\ndata: {a b: c}",
            'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric',
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
            "spec: {taints: [{key: a, effect: NoRun}]}",
            'metadata.taints[0].effect: Unsupported value: "NoRun": supported values: '
            '"NoSchedule", "PreferNoSchedule", "NoExecute"',
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
            "spec: {taints: [{key: a, effect: NoExecute}, {key: a, effect: NoExecute}]}",
            'metadata.taints[1]: Duplicate value: core.Taint{Key:"a", Value:"", '
            'Effect:"NoExecute", ',
        ),
        (
            "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: n, namespace: d}\n"
            "spec: {leaseDurationSeconds: 0}",
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        ),
        (
            "apiVersion: v1\nkind: Event\nmetadata: {name: n, namespace: d}\n"
            "involvedObject: {namespace: other}",
            'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
    ],
)
def test_every_kind_has_rules_of_its_own(text: str, expected: str) -> None:
    (found,) = problems(text)
    assert found.startswith(expected)


def test_a_config_map_holds_a_mebibyte_at_most() -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n, namespace: d}\n"
    assert problems(f"{head}data: {{a: {'x' * 1048577}}}") == [
        "Too long: may not be more than 1048576 bytes"
    ]
    assert problems(f"{head}data: {{a: {'x' * 1048576}}}") == []


def test_all_problems_are_told_at_once() -> None:
    found = service("{type: LoadBalancer, ports: [{port: 0}, {port: 0}]}", name="Web")
    assert len(found) == 8


REQUESTS = "spec.containers[0].resources.requests"
LIMITS = "spec.containers[0].resources.limits"


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ("{cpu: 1}", "{cpu: 1000m, memory: 1Gi}", []),
        (
            "{cpu: 2}",
            "{cpu: 1}",
            [f'{REQUESTS}: Invalid value: "2": must be less than or equal to cpu limit of 1'],
        ),
        (
            "{cpu: 1500m, memory: 1024Mi}",
            "{cpu: '1.4', memory: 1000Mi}",
            [
                f'{REQUESTS}: Invalid value: "1500m": must be less than or equal to cpu limit of '
                "1400m",
                f'{REQUESTS}: Invalid value: "1Gi": must be less than or equal to memory limit of '
                "1000Mi",
            ],
        ),
        (
            "{cpu: 1, x.io/gpu: 1}",
            "{cpu: 1, x.io/gpu: 2}",
            [f'{REQUESTS}: Invalid value: "1": must be equal to x.io/gpu limit of 2'],
        ),
        (
            "{x.io/gpu: 1}",
            "{}",
            [f"{LIMITS}: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            "{}",
            "{hugepages-2Mi: 4Mi}",
            ["spec.containers[0].resources: Forbidden: HugePages require cpu or memory"],
        ),
        ("{cpu: -1}", "{cpu: 0}", [f'{REQUESTS}[cpu]: Invalid value: "-1": {NEGATIVE}']),
    ],
)
def test_requests_are_within_limits(requests: str, limits: str, expected: list[str]) -> None:
    assert container(f"resources: {{requests: {requests}, limits: {limits}}}") == expected


def test_requests_are_within_limits_also_of_init_containers_and_templates() -> None:
    resources = "resources: {requests: {cpu: 2}, limits: {cpu: 1}}"
    text = 'requests: Invalid value: "2": must be less than or equal to cpu limit of 1'
    init = f"initContainers: [{{name: i, image: b, {resources}}}]"
    assert container("", init) == [f"spec.initContainers[0].resources.{text}"]
    template = (
        "template: {metadata: {labels: {app: web}}, spec: {containers: "
        f"[{{name: a, image: b, {resources}}}]}}}}"
    )
    assert deployment(f"{{SELECTOR, {template}}}") == [
        f"spec.template.spec.containers[0].resources.{text}"
    ]
