"""Rules of workloads, secrets, budgets, endpoints, roles and what is only stored: each with its
message, and the manifest which breaks it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from emucluster.core.admission.defaults import with_defaults
from emucluster.core.admission.validation import validate_create, validate_update
from emucluster.core.objects import (
    ControllerRevision,
    CronJob,
    DaemonSet,
    HorizontalPodAutoscaler,
    Job,
    LimitRange,
    NetworkPolicy,
    Object,
    PersistentVolumeClaim,
    PriorityClass,
    ReplicationController,
    RoleBinding,
    Secret,
    StatefulSet,
    StorageClass,
    replace,
)
from emucluster.core.objects.codec import decode_tree
from emucluster.core.objects.manifest import load
from emucluster.core.objects.registry import BY_KIND, Resource, resource

MANIFESTS = Path(__file__).parent.parent / "objects/manifests"
TEMPLATE = "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: b}]}}"
SELECTOR = "selector: {matchLabels: {app: web}}"
SET = f"{TEMPLATE}, {SELECTOR}"
NO_SELECTOR = (
    "v1.LabelSelector{MatchLabels:map[string]string(nil), "
    "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}"
)


def made(kind: str, body: str, name: str = "web") -> Object:
    row: Resource = resource(kind)
    place = ", namespace: d" if row.namespaced else ""
    head = f"apiVersion: {row.api_version}\nkind: {row.kind}\n"
    (obj,) = load(f"{head}metadata: {{name: {name}{place}}}\n{body}\n", source="test")
    return with_defaults(obj)


def problems(kind: str, body: str, name: str = "web") -> list[str]:
    return [str(cause) for cause in validate_create(made(kind, body, name))]


def changes(new: Object, old: Object) -> list[str]:
    return [str(cause) for cause in validate_update(new, old)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SET, []),
        (TEMPLATE, ["spec.selector: Required value"]),
        (
            f"{TEMPLATE}, selector: {{matchLabels: {{app: other}}}}",
            [
                'spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: '
                "`selector` does not "
                "match template `labels`"
            ],
        ),
        (
            f"{TEMPLATE}, selector: {{}}",
            [
                f"spec.selector: Invalid value: {NO_SELECTOR}: empty selector is invalid for "
                "daemonset"
            ],
        ),
        (
            f"{SET}, updateStrategy: {{type: Sudden}}",
            [
                'spec.updateStrategy: Unsupported value: {"type":"Sudden"}: supported values: '
                '"RollingUpdate", "OnDelete"'
            ],
        ),
        (
            f"{SET}, updateStrategy: {{rollingUpdate: {{maxUnavailable: 0}}}}",
            [
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 "
                "when maxSurge is 0"
            ],
        ),
        (
            f"{SET}, updateStrategy: {{rollingUpdate: {{maxUnavailable: 1, maxSurge: 10%}}}}",
            [
                "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "
                "intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"10%"}: may not be set '
                "when maxUnavailable is non-zero"
            ],
        ),
        (
            f"{SET}, updateStrategy: {{rollingUpdate: {{maxUnavailable: 101%}}}}",
            [
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "
                "intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"101%"}: must not '
                "be greater than 100%"
            ],
        ),
        (
            f"{SET}, minReadySeconds: -1, revisionHistoryLimit: -1",
            [
                "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
                "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
    ],
)
def test_daemon_sets(spec: str, expected: list[str]) -> None:
    assert problems("DaemonSet", f"spec: {{{spec}}}") == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SET, []),
        (TEMPLATE, ["spec.selector: Required value"]),
        (
            f"{SET}, podManagementPolicy: Odd",
            [
                "spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or "
                "'Parallel'"
            ],
        ),
        (
            f"{SET}, updateStrategy: {{type: OnDelete, rollingUpdate: {{partition: 1}}}}",
            [
                'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed '
                "for updateStrategy 'RollingUpdate'"
            ],
        ),
        (
            f"{SET}, updateStrategy: {{rollingUpdate: {{partition: -1}}}}",
            [
                "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater "
                "than or equal to 0"
            ],
        ),
        (
            f"{SET}, persistentVolumeClaimRetentionPolicy: {{whenScaled: Keep}}",
            [
                'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": '
                'supported values: "Retain", "Delete"'
            ],
        ),
        (
            f"{SET}, replicas: -1, ordinals: {{start: -1}}",
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
            ],
        ),
    ],
)
def test_stateful_sets(spec: str, expected: list[str]) -> None:
    assert problems("StatefulSet", f"spec: {{{spec}}}") == expected


def test_of_a_stateful_set_only_what_makes_no_other_pods_may_change() -> None:
    old = made("StatefulSet", f"spec: {{{SET}, serviceName: a}}")
    assert isinstance(old, StatefulSet)
    for spec in (
        replace(old.spec, replicas=9),
        replace(old.spec, min_ready_seconds=3, revision_history_limit=1),
        replace(old.spec, update_strategy=replace(old.spec.update_strategy, type="OnDelete")),
    ):
        assert "Forbidden" not in str(changes(replace(old, spec=spec), old))
    (cause,) = changes(replace(old, spec=replace(old.spec, service_name="b")), old)
    assert cause.startswith("spec: Forbidden: updates to statefulset spec for fields other than ")


def test_selectors_of_daemon_sets_and_data_of_history_are_for_life() -> None:
    old = made("DaemonSet", f"spec: {{{SET}}}")
    assert isinstance(old, DaemonSet)
    template = "{metadata: {labels: {app: b}}, spec: {containers: [{name: a, image: b}]}}"
    new = made(
        "DaemonSet", f"spec: {{selector: {{matchLabels: {{app: b}}}}, template: {template}}}"
    )
    (cause,) = changes(new, old)
    assert cause.startswith("spec.selector: Invalid value: ")
    assert cause.endswith("field is immutable")
    revision = made("ControllerRevision", "revision: 1\ndata: {a: 1}")
    assert isinstance(revision, ControllerRevision)
    assert changes(replace(revision, revision=2), revision) == []
    assert changes(replace(revision, data={"a": 2}), revision) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]
    assert problems("ControllerRevision", "revision: -1") == [
        "data: Required value: data is mandatory",
        "revision: Invalid value: -1: must be greater than or equal to 0",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", []),
        ("data: {a: YQ==}\nstringData: {b: plain}", []),
        ("type: example.com/own", []),
        (
            "data: {a: '%'}",
            ['data[a]: Invalid value: "<secret contents redacted>": must be base64'],
        ),
        (
            "type: kubernetes.io/basic-auth",
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("type: kubernetes.io/basic-auth\nstringData: {password: ''}", []),
        ("type: kubernetes.io/ssh-auth", ["data[ssh-privatekey]: Required value"]),
        (
            "type: kubernetes.io/tls",
            ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
        ),
        (
            "type: kubernetes.io/service-account-token",
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        ("type: kubernetes.io/dockerconfigjson", ["data[.dockerconfigjson]: Required value"]),
        (
            "type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '['}",
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be a '
                "JSON object"
            ],
        ),
    ],
)
def test_secrets(body: str, expected: list[str]) -> None:
    assert problems("Secret", body) == expected


def test_a_secret_is_opaque_unless_it_says_otherwise_and_holds_a_mebibyte() -> None:
    obj = made("Secret", "stringData: {a: plain}\ndata: {b: Yg==}")
    assert isinstance(obj, Secret)
    assert (obj.type, obj.string_data) == ("Opaque", None)
    assert obj.data == {"a": b64encode(b"plain").decode(), "b": "Yg=="}
    large = b64encode(b"x" * 1048577).decode()
    assert problems("Secret", f"data: {{a: {large}}}") == [
        "data: Too long: may not be more than 1048576 bytes"
    ]


def test_a_secrets_type_is_for_life_and_all_of_an_immutable_one() -> None:
    old = made("Secret", "immutable: true\ndata: {a: YQ==}")
    assert isinstance(old, Secret)
    assert changes(old, old) == []
    new = replace(old, type="kubernetes.io/tls-ish", immutable=None, data=None)
    assert changes(new, old) == [
        'type: Invalid value: "kubernetes.io/tls-ish": field is immutable',
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{maxUnavailable: 25%}", []),
        (
            "{minAvailable: 1, maxUnavailable: 1}",
            [
                'spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and '
                "maxUnavailable cannot be both set"
            ],
        ),
        (
            "{minAvailable: -1}",
            ["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            "{maxUnavailable: 120%}",
            [
                "spec.maxUnavailable: Invalid value: intstr.IntOrString{Type:1, "
                'IntVal:0, StrVal:"120%"}: must not be greater than 100%'
            ],
        ),
        (
            "{unhealthyPodEvictionPolicy: Never}",
            [
                'spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: '
                '"IfHealthyBudget", "AlwaysAllow"'
            ],
        ),
    ],
)
def test_budgets(spec: str, expected: list[str]) -> None:
    assert problems("PodDisruptionBudget", f"spec: {spec}") == expected


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("{addresses: [{ip: 10.1.0.1}], ports: [{port: 80}]}", []),
        (
            "{ports: [{port: 80}]}",
            ["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
        ),
        (
            "{addresses: [{ip: ten}]}",
            [
                'subsets[0].addresses[0].ip: Invalid value: "ten": must be a valid IP address, '
                "(e.g. 10.9.8.7 or 2001:db8::ffff)"
            ],
        ),
        (
            "{notReadyAddresses: [{ip: 127.0.0.1}]}",
            [
                'subsets[0].notReadyAddresses[0].ip: Invalid value: "127.0.0.1": may not be in '
                "the loopback range (127.0.0.0/8, ::1/128)"
            ],
        ),
        ("{addresses: [{ip: 127.32.0.9}]}", []),
        (
            "{addresses: [{ip: 10.1.0.1}], ports: [{port: 80}, {port: 0, name: b}]}",
            [
                "subsets[0].ports[0].name: Required value",
                "subsets[0].ports[1].port: Invalid value: 0: must be between 1 and 65535, "
                "inclusive",
            ],
        ),
    ],
)
def test_endpoints(subset: str, expected: list[str]) -> None:
    assert problems("Endpoints", f"subsets: [{subset}]") == expected


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("Role", "rules: [{verbs: [get], apiGroups: [''], resources: [pods]}]", []),
        (
            "Role",
            "rules: [{nonResourceURLs: [/metrics]}]",
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                'rules[0].nonResourceURLs: Invalid value: []string{"/metrics"}: namespaced rules '
                "cannot "
                "apply to non-resource URLs",
            ],
        ),
        (
            "ClusterRole",
            "rules: [{verbs: [get], nonResourceURLs: [/metrics]}, {verbs: [get]}]",
            [
                "rules[1].apiGroups: Required value: resource rules must supply at least one api "
                "group",
                "rules[1].resources: Required value: resource rules must supply at least one "
                "resource",
            ],
        ),
        (
            "RoleBinding",
            "roleRef: {kind: User, name: a/b}\nsubjects: [{kind: ServiceAccount, name: a}, "
            "{kind: User, name: ann}, {kind: Robot, name: r}]",
            [
                'roleRef.kind: Unsupported value: "User": supported values: "Role", "ClusterRole"',
                "roleRef.name: Invalid value: \"a/b\": may not contain '/'",
                "subjects[0].namespace: Required value",
                'subjects[2].kind: Unsupported value: "Robot": supported values: "Group", '
                '"ServiceAccount", "User"',
            ],
        ),
        (
            "ClusterRoleBinding",
            "roleRef: {kind: Role, name: a}",
            ['roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'],
        ),
        (
            "CronJob",
            "spec: {schedule: '* * *', jobTemplate: {spec: {template: {spec: {restartPolicy: "
            "Never, containers: [{name: a, image: b}]}}}}}",
            ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
        ),
        (
            "Job",
            f"spec: {{{TEMPLATE}}}",
            [
                'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", '
                '"Never"'
            ],
        ),
        (
            "PersistentVolumeClaim",
            "spec: {}",
            [
                "spec.accessModes: Required value: at least 1 access mode is required",
                "spec.resources[storage]: Required value",
            ],
        ),
        (
            "PersistentVolume",
            "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]}",
            ["spec: Required value: must specify a volume type"],
        ),
        (
            "Ingress",
            "spec: {}",
            ["spec: Invalid value: {}: either `defaultBackend` or `rules` must be specified"],
        ),
        (
            "Ingress",
            "spec: {rules: [{http: {paths: [{path: a, pathType: Prefix, backend: {service: {name: "
            "s}}}, {backend: {}}]}}]}",
            [
                'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
                "spec.rules[0].http.paths[0].backend: Required value: port name or number is "
                "required",
                "spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified",
                "spec.rules[0].http.paths[1].backend: Required value: resource or service backend "
                "is required",
            ],
        ),
        (
            "NetworkPolicy",
            "spec: {podSelector: {}, policyTypes: [Sideways]}",
            [
                'spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", '
                '"Egress"'
            ],
        ),
        (
            "HorizontalPodAutoscaler",
            "spec: {minReplicas: 0, maxReplicas: -1, scaleTargetRef: {kind: Deployment}}",
            [
                "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
                "spec.maxReplicas: Invalid value: -1: must be greater than 0",
                "spec.maxReplicas: Invalid value: -1: must be greater than or equal to "
                "`minReplicas`",
                "spec.scaleTargetRef.name: Required value",
            ],
        ),
        (
            "StorageClass",
            "provisioner: Ebs.example/x\nparameters: {'': x}\nreclaimPolicy: Recycle\n"
            "volumeBindingMode: X",
            [
                'parameters: Invalid value: "": field can not be empty.',
                'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
                'volumeBindingMode: Unsupported value: "X": supported values: "Immediate", '
                '"WaitForFirstConsumer"',
            ],
        ),
        ("StorageClass", "parameters: {}", ["provisioner: Required value"]),
        (
            "PriorityClass",
            "value: 1000000001\npreemptionPolicy: Sometimes",
            [
                "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
                'preemptionPolicy: Unsupported value: "Sometimes": supported values: '
                '"PreemptLowerPriority", "Never"',
            ],
        ),
        ("LimitRange", "spec: {limits: [{max: {cpu: x}}]}", None),
        ("ResourceQuota", "spec: {hard: {pods: x}}", None),
        (
            "ReplicationController",
            "spec: {}",
            ["spec.selector: Required value", "spec.template: Required value"],
        ),
    ],
)
def test_roles_and_what_is_only_stored(kind: str, body: str, expected: list[str] | None) -> None:
    found = problems(kind, body)
    assert found if expected is None else found == expected


def test_roles_have_names_that_fit_into_a_path() -> None:
    assert problems("ClusterRole", "", name="'system:node'") == []
    assert problems("ClusterRole", "", name="a%b") == [
        "metadata.name: Invalid value: \"a%b\": may not contain '%'"
    ]


def test_what_is_fixed_of_a_binding_a_claim_and_a_job() -> None:
    binding = made("RoleBinding", "roleRef: {kind: Role, name: a}")
    assert isinstance(binding, RoleBinding)
    new = replace(binding, role_ref=replace(binding.role_ref, name="b"))
    (cause,) = changes(new, binding)
    assert cause.endswith("cannot change roleRef")
    claim = made(
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
    )
    assert isinstance(claim, PersistentVolumeClaim)
    resources = replace(claim.spec.resources, requests={"storage": "2Gi"})
    assert changes(replace(claim, spec=replace(claim.spec, resources=resources)), claim) == []
    other = replace(claim, spec=replace(claim.spec, access_modes=("ReadWriteMany",)))
    assert changes(other, claim)[0].startswith("spec: Forbidden: spec is immutable after creation")
    job = made(
        "Job", "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}"
    )
    assert isinstance(job, Job)
    assert changes(replace(job, spec=replace(job.spec, parallelism=3)), job) == []
    (cause,) = changes(replace(job, spec=replace(job.spec, completions=3)), job)
    assert cause == "spec.completions: Invalid value: 3: field is immutable"


def test_what_is_fixed_of_classes_of_storage_and_priority() -> None:
    storage = made("StorageClass", "provisioner: p\nparameters: {type: gp3}")
    assert isinstance(storage, StorageClass)
    assert changes(replace(storage, allow_volume_expansion=True), storage) == []
    other = replace(storage, provisioner="q", parameters=None, volume_binding_mode="Immediate")
    assert changes(replace(other, reclaim_policy="Retain"), storage) == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
    ]
    priority = made("PriorityClass", "value: 7")
    assert isinstance(priority, PriorityClass)
    assert changes(replace(priority, description="x", global_default=True), priority) == []
    assert changes(replace(priority, value=8, preemption_policy="Never"), priority) == [
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    ]


def test_priority_classes_of_the_system_are_not_to_be_made() -> None:
    (cause,) = problems("PriorityClass", "value: 7", name="system-mine")
    assert cause == (
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for "
        "system use only. error: system-mine is not a known system priority class"
    )


class TestDefaults:
    def test_daemon_sets_roll_one_node_at_a_time(self) -> None:
        obj = made("DaemonSet", f"spec: {{{SET}}}")
        assert isinstance(obj, DaemonSet)
        rolling = obj.spec.update_strategy.rolling_update
        assert rolling is not None
        assert (rolling.max_unavailable, rolling.max_surge) == (1, 0)
        assert obj.spec.revision_history_limit == 10
        assert obj.spec.template.spec.restart_policy == "Always"

    def test_stateful_sets_are_ordered_and_keep_their_volumes(self) -> None:
        claim = "volumeClaimTemplates: [{metadata: {name: data}}]"
        obj = made("StatefulSet", f"spec: {{{SET}, {claim}}}")
        assert isinstance(obj, StatefulSet)
        spec = obj.spec
        assert (spec.replicas, spec.pod_management_policy) == (1, "OrderedReady")
        assert spec.update_strategy.rolling_update is not None
        assert spec.update_strategy.rolling_update.partition == 0
        policy = spec.persistent_volume_claim_retention_policy
        assert policy is not None
        assert (policy.when_deleted, policy.when_scaled) == ("Retain", "Retain")
        (template,) = spec.volume_claim_templates
        assert (template.kind, template.status.phase) == ("PersistentVolumeClaim", "Pending")

    def test_jobs_run_once_and_cron_jobs_keep_three(self) -> None:
        job = made("Job", "spec: {}")
        assert isinstance(job, Job)
        assert (job.spec.completions, job.spec.parallelism, job.spec.backoff_limit) == (1, 1, 6)
        many = made("Job", "spec: {parallelism: 3}")
        assert isinstance(many, Job)
        assert many.spec.completions is None
        cron = made("CronJob", "spec: {}")
        assert isinstance(cron, CronJob)
        assert cron.spec.successful_jobs_history_limit == 3

    def test_of_those_that_are_only_stored(self) -> None:
        scaler = made("HorizontalPodAutoscaler", "spec: {maxReplicas: 3}")
        assert isinstance(scaler, HorizontalPodAutoscaler)
        assert scaler.spec.metrics[0].resource is not None
        assert scaler.spec.metrics[0].resource.target.average_utilization == 80
        policy = made("NetworkPolicy", "spec: {podSelector: {}, egress: [{ports: [{port: 1}]}]}")
        assert isinstance(policy, NetworkPolicy)
        assert policy.spec.policy_types == ("Ingress", "Egress")
        assert policy.spec.egress[0].ports[0].protocol == "TCP"
        limits = made("LimitRange", "spec: {limits: [{type: Container, max: {cpu: 1}}]}")
        assert isinstance(limits, LimitRange)
        assert limits.spec.limits[0].default_request == {"cpu": 1}
        body = f"spec: {{{TEMPLATE}}}"
        controller = made("ReplicationController", body)
        assert isinstance(controller, ReplicationController)
        assert controller.spec.selector == controller.metadata.labels == {"app": "web"}


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_nothing_at_all_is_refused_or_taken_and_never_a_crash(kind: str) -> None:
    row = BY_KIND[kind]
    namespace = {"namespace": "d"} if row.namespaced else {}
    head = {"apiVersion": row.api_version, "kind": kind, "metadata": {"name": "x", **namespace}}
    validate_create(with_defaults(decode_tree(head)))
    if "spec" in row.cls.__struct_fields__:
        validate_create(with_defaults(decode_tree({**head, "spec": {}})))
