from pathlib import Path
from typing import get_args, get_type_hints

import jsonschema
import pytest
import yaml

from emucluster.client.experiments.source import Source, shipped
from emucluster.client.options import CLOUDS, KUBE_PROXY_MODES, PACKINGS, StartOptions
from emucluster.core.errors import UsageError
from emucluster.experiment import result, schema, spec
from emucluster.experiment.reading import SpecError, from_tree, read, to_tree
from emucluster.experiment.rules import fault_name

FULL = """\
name: power-off
story: A node loses power. Clients of the load balancer wait. Its health checks find out.
seed: 7
scaled: true
cluster: {nodes: 4, zones: [eu-1, eu-2], cloud: envoy, packing: node, speed: 10}
manifests: [web.yaml, {kind: Service}]
workload:
  - name: users
    target: service/web-lb
    clients: 3
    arrival: {kind: poisson, rate: 200}
    connection: pool:4
    serviceConfig: {methodConfig: []}
    keepalive: {time: 10s, withoutCalls: true}
    deadline: 500ms
  - {name: batch, target: "pod/web-1:8080", source: zone/eu-1, arrival: {kind: closed, think: 1s}}
faults:
  - kind: power-off
    target: {kind: node, zone: eu-1, select: "percent:50"}
    at: 1s
    for: 10s
  - {kind: latency, target: {kind: link, from: node/node-1, to: outside}, params: {delay: 200ms}}
  - {kind: power-off, target: node/node-4, at: 15s}
hypotheses:
  - {kind: availability, atLeast: 99.9%, over: [inject], every: 1s}
  - {kind: latency, quantile: p99, atMost: 50ms, group: users}
  - {kind: lost-calls, atMost: 3, connections: old}
  - {kind: no-fault-left}
phases: {inject: 20s}
limits: {nodes: 2, zones: 1}
"""


def problem_of(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        read(text, source="e.yaml")
    return str(caught.value)


def with_line(line: str) -> str:
    """A small experiment that ends with this line, its fifth."""
    head = "name: a\nphases: {inject: 20s}\nworkload:\n- {name: g, target: service/web}\n"
    return f"{head}{line}\n"


def test_an_experiment_is_one_yaml_value() -> None:
    found = read(FULL, source="e.yaml")
    assert found.cluster.zones == ["eu-1", "eu-2"]
    users, batch = found.workload
    assert users.arrival == spec.Poisson(rate_per_s=200)
    assert (users.pool_size, batch.pool_size) == (4, 1)
    assert users.keepalive is not None
    assert (users.keepalive.time_s, users.keepalive.timeout_s) == (10, 20)
    assert users.deadline_s == 0.5
    assert (users.rate_per_s_max, batch.rate_per_s_max) == (200, None)
    assert [fault_name(found, i) for i in range(3)] == ["power-off-1", "latency", "power-off-2"]


def test_what_was_read_can_be_written_and_read_again() -> None:
    found = read(FULL, source="e.yaml")
    assert from_tree(to_tree(found)) == found


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("sed: 1", "sed", 'unknown field "sed"; known: cluster, faults'),
        ("cluster: {nodez: 3}", "cluster.nodez", "known: bind, cloud, fsync, kubeProxyMode"),
        ("cluster: {nodes: x}", "cluster.nodes", "must be a whole number; got 'x'"),
        ("cluster: {nodes: 0}", "cluster.nodes", "must be a whole number >= 1; got 0"),
        ("cluster: {cloud: ibm}", "cluster.cloud", "must be one of aws-clb, aws-nlb, azure"),
        ("cluster: {zones: a}", "cluster.zones", "must be a whole number or a list; got 'a'"),
        ("phase: {}", "phase", 'unknown field "phase"'),
        ("faults: {}", "faults", "must be a list"),
        ("faults: [{target: node/a}]", "faults[0]", 'the field "kind" is required'),
        (
            "faults: [{kind: power-of, target: node/a}]",
            "faults[0].kind",
            'no kind "power-of"; known: power-off, crash',
        ),
        (
            "faults: [{kind: power-off, target: pod/a}]",
            "faults[0].kind",
            'a pod cannot have the fault "power-off"; it can have: crash, freeze, gray',
        ),
        ("faults: [{kind: crash, target: nod/a}]", "faults[0].target", "must be node/NAME"),
        (
            "faults: [{kind: crash, target: {kind: pod, select: some}}]",
            "faults[0].target.select",
            "must be one, all, fixed:N or percent:P; got 'some'",
        ),
        (
            "faults: [{kind: crash, target: {kind: node, service: web}}]",
            "faults[0].target.service",
            "a node is selected by: host, labels, name, zone",
        ),
        (
            "faults: [{kind: partition, target: {kind: link, to: node/a}}]",
            "faults[0].target",
            "a link needs from",
        ),
        (
            "faults: [{kind: slow, target: node/a, params: {delay: 1y}}]",
            "faults[0].params.delay",
            "must be a duration such as 30s",
        ),
        (
            "faults: [{kind: slow, target: node/a, params: {lag: 1s}}]",
            "faults[0].params.lag",
            'slow has no parameter "lag"; it has: delay, jitter',
        ),
        (
            "faults: [{kind: scale, target: deployment/web}]",
            "faults[0].params.replicas",
            "is required: a whole number from 0 to 10000",
        ),
        (
            "faults: [{kind: crash, target: node/a, at: 15s, for: 10s}]",
            "faults[0].for",
            "ends 25 s into the inject phase, which lasts 20 s",
        ),
        (
            "faults: [{kind: crash, target: node/a, at: 20s}]",
            "faults[0].at",
            "starts up to 20 s into the inject phase",
        ),
        (
            "faults: [{kind: crash, target: pod/a, trigger: {after: 3}}]",
            "faults[0].for",
            "is required with a trigger",
        ),
        (
            "hypotheses: [{kind: avail, atLeast: 1}]",
            "hypotheses[0].kind",
            "must be one of availability, endpoints-match",
        ),
        (
            "hypotheses: [{kind: availability, atLeast: 2}]",
            "hypotheses[0].atLeast",
            "must be a share such as 99.9%",
        ),
        (
            "hypotheses: [{kind: availability, atLeast: 1, group: h}]",
            "hypotheses[0].group",
            'no group "h"; there are: g',
        ),
        (
            "hypotheses: [{kind: outage, atMost: 1, over: [warmup]}]",
            "hypotheses[0].over[0]",
            "must be one of baseline, inject, recover, verify; got 'warmup'",
        ),
        ("hypotheses: [{kind: lost-calls}]", "hypotheses[0]", "needs atMost, atLeast or both"),
        (
            "hypotheses: [{kind: lost-calls, atMost: 1, atLeast: 5}]",
            "hypotheses[0].atLeast",
            "must not be above atMost, 1",
        ),
        ("limits: {nodes: half}", "limits.nodes", "must be a number of them"),
        ("trials: 0", "trials", "must be a whole number >= 1; got 0"),
    ],
)
def test_an_error_names_file_line_field_and_what_is_allowed(
    line: str, path: str, words: str
) -> None:
    found = problem_of(with_line(line))
    assert found.startswith(f"e.yaml:5: {path}: ")
    assert words in found


def test_the_line_is_that_of_the_field_itself() -> None:
    text = with_line("faults:\n- kind: crash\n  target:\n    kind: pod\n    selct: all")
    assert problem_of(text).startswith("e.yaml:9: faults[0].target.selct: unknown field")


def test_two_faults_of_one_name_are_refused() -> None:
    fault = "{kind: crash, target: pod/a, name: x}"
    assert 'faults[1].name: "x" is the name of an earlier' in problem_of(
        with_line(f"faults: [{fault}, {fault}]")
    )


@pytest.mark.parametrize("text", ["", "---\na: 1\n---\nb: 1\n", "a: [", "name: a\nname: b\n"])
def test_what_is_not_one_yaml_document_is_refused_by_name(text: str) -> None:
    assert problem_of(text).startswith("e.yaml")


def test_an_experiment_that_cannot_be_run_is_a_usage_error() -> None:
    assert issubclass(SpecError, UsageError)


def test_clusters_of_experiments_are_those_that_can_be_started() -> None:
    hints = get_type_hints(spec.Cluster)
    assert set(hints) == set(StartOptions.__dataclass_fields__)
    names = ("cloud", "packing", "kube_proxy_mode")
    assert {name: set(get_args(hints[name])) for name in names} == {
        "cloud": set(CLOUDS),
        "packing": set(PACKINGS),
        "kube_proxy_mode": set(KUBE_PROXY_MODES),
    }


def test_an_editor_accepts_what_is_read_and_marks_what_is_not() -> None:
    validator = jsonschema.Draft202012Validator(schema.schema())
    assert list(validator.iter_errors(yaml.safe_load(FULL))) == []
    for line in (
        "sed: 1",
        "cluster: {cloud: ibm}",
        "faults: [{kind: boom, target: node/a}]",
        "faults: [{kind: error-rate, target: pod/a, params: {status: BOGUS}}]",
        "faults: [{kind: error-rate, target: pod/a, params: {rate: 101%}}]",
        "faults: [{kind: error-rate, target: pod/a, params: {sttus: ABORTED}}]",
        "hypotheses: [{kind: availability, atLeast: 199%}]",
        "hypotheses: [{kind: latency, quantile: p100, atMost: 1s}]",
        "faults: [{kind: crash, target: node/a, for: \uff11s}]",
        "limits: {nodes: 101%}",
    ):
        assert list(validator.iter_errors(yaml.safe_load(with_line(line)))) != []


@pytest.mark.parametrize("source", shipped(), ids=lambda source: source.label)
def test_an_editor_marks_nothing_in_what_ships(source: Source) -> None:
    validator = jsonschema.Draft202012Validator(schema.schema())
    assert list(validator.iter_errors(yaml.safe_load(source.text))) == []


@pytest.mark.parametrize(
    "line",
    [
        "faults: [{kind: crash, target: node/a, for: \uff11s}]",
        "hypotheses: [{kind: availability, atLeast: \uff19%}]",
        "limits: {nodes: \uff15%}",
        "faults: [{kind: crash, target: {kind: node, select: 'fixed:1\uff12'}}]",
    ],
)
def test_digits_are_those_of_ascii(line: str) -> None:
    with pytest.raises(SpecError):
        read(with_line(line), source="x.yaml")


def test_the_schemas_beside_the_code_are_current() -> None:
    folder = Path(schema.__file__).parent
    assert (folder / schema.FILE).read_text() == schema.text()
    assert (folder / result.SCHEMA_FILE).read_text() == result.schema_text()
