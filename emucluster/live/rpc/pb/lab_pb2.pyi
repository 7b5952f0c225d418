from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Machine(_message.Message):
    __slots__ = ("name", "kind", "address", "agent", "pid", "zone", "host", "state", "metrics", "started", "ends")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    address: str
    agent: str
    pid: int
    zone: str
    host: str
    state: str
    metrics: _containers.ScalarMap[str, str]
    started: int
    ends: int
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., address: _Optional[str] = ..., agent: _Optional[str] = ..., pid: _Optional[int] = ..., zone: _Optional[str] = ..., host: _Optional[str] = ..., state: _Optional[str] = ..., metrics: _Optional[_Mapping[str, str]] = ..., started: _Optional[int] = ..., ends: _Optional[int] = ...) -> None: ...

class ClusterStatus(_message.Message):
    __slots__ = ("name", "packing", "cloud", "speed", "version", "api", "dns", "lab", "started_wall_s", "keeper_pid", "slice", "machines", "faults", "failure_mode", "ray_address", "directory", "several_hosts", "outside", "published", "kubernetes")
    class OutsideEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PublishedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PACKING_FIELD_NUMBER: _ClassVar[int]
    CLOUD_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    API_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    LAB_FIELD_NUMBER: _ClassVar[int]
    STARTED_WALL_S_FIELD_NUMBER: _ClassVar[int]
    KEEPER_PID_FIELD_NUMBER: _ClassVar[int]
    SLICE_FIELD_NUMBER: _ClassVar[int]
    MACHINES_FIELD_NUMBER: _ClassVar[int]
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MODE_FIELD_NUMBER: _ClassVar[int]
    RAY_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    SEVERAL_HOSTS_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_FIELD_NUMBER: _ClassVar[int]
    name: str
    packing: str
    cloud: str
    speed: float
    version: str
    api: str
    dns: str
    lab: str
    started_wall_s: float
    keeper_pid: int
    slice: int
    machines: _containers.RepeatedCompositeFieldContainer[Machine]
    faults: _containers.RepeatedCompositeFieldContainer[Fault]
    failure_mode: str
    ray_address: str
    directory: str
    several_hosts: bool
    outside: _containers.ScalarMap[str, str]
    published: _containers.ScalarMap[str, str]
    kubernetes: str
    def __init__(self, name: _Optional[str] = ..., packing: _Optional[str] = ..., cloud: _Optional[str] = ..., speed: _Optional[float] = ..., version: _Optional[str] = ..., api: _Optional[str] = ..., dns: _Optional[str] = ..., lab: _Optional[str] = ..., started_wall_s: _Optional[float] = ..., keeper_pid: _Optional[int] = ..., slice: _Optional[int] = ..., machines: _Optional[_Iterable[_Union[Machine, _Mapping]]] = ..., faults: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., failure_mode: _Optional[str] = ..., ray_address: _Optional[str] = ..., directory: _Optional[str] = ..., several_hosts: _Optional[bool] = ..., outside: _Optional[_Mapping[str, str]] = ..., published: _Optional[_Mapping[str, str]] = ..., kubernetes: _Optional[str] = ...) -> None: ...

class FaultRequest(_message.Message):
    __slots__ = ("kind", "target", "duration_s", "id", "until_s", "params", "peers", "follow", "networks")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    UNTIL_S_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    target: str
    duration_s: float
    id: str
    until_s: float
    params: bytes
    peers: _containers.RepeatedScalarFieldContainer[str]
    follow: str
    networks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[str] = ..., target: _Optional[str] = ..., duration_s: _Optional[float] = ..., id: _Optional[str] = ..., until_s: _Optional[float] = ..., params: _Optional[bytes] = ..., peers: _Optional[_Iterable[str]] = ..., follow: _Optional[str] = ..., networks: _Optional[_Iterable[str]] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("id", "kind", "target", "injected_wall_s", "ends_wall_s", "mechanism", "state", "params", "peers", "follow", "ended_by", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    INJECTED_WALL_S_FIELD_NUMBER: _ClassVar[int]
    ENDS_WALL_S_FIELD_NUMBER: _ClassVar[int]
    MECHANISM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    ENDED_BY_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    target: str
    injected_wall_s: float
    ends_wall_s: float
    mechanism: str
    state: str
    params: bytes
    peers: _containers.RepeatedScalarFieldContainer[str]
    follow: str
    ended_by: str
    error: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., target: _Optional[str] = ..., injected_wall_s: _Optional[float] = ..., ends_wall_s: _Optional[float] = ..., mechanism: _Optional[str] = ..., state: _Optional[str] = ..., params: _Optional[bytes] = ..., peers: _Optional[_Iterable[str]] = ..., follow: _Optional[str] = ..., ended_by: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class ListFaultsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FaultList(_message.Message):
    __slots__ = ("faults", "silent")
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    faults: _containers.RepeatedCompositeFieldContainer[Fault]
    silent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, faults: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., silent: _Optional[_Iterable[str]] = ...) -> None: ...

class ClearFaultsRequest(_message.Message):
    __slots__ = ("id", "all")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    id: str
    all: bool
    def __init__(self, id: _Optional[str] = ..., all: _Optional[bool] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("ip", "port")
    IP_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    ip: str
    port: int
    def __init__(self, ip: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class Flow(_message.Message):
    __slots__ = ("id", "hop", "host", "service", "endpoint", "in_peer", "in_local", "out_local", "out_peer", "start_s", "end_s", "bytes_in", "bytes_out", "closed_by", "how", "reason", "asked", "cluster_ip")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOP_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    IN_PEER_FIELD_NUMBER: _ClassVar[int]
    IN_LOCAL_FIELD_NUMBER: _ClassVar[int]
    OUT_LOCAL_FIELD_NUMBER: _ClassVar[int]
    OUT_PEER_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    BYTES_IN_FIELD_NUMBER: _ClassVar[int]
    BYTES_OUT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_BY_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_IP_FIELD_NUMBER: _ClassVar[int]
    id: str
    hop: str
    host: str
    service: str
    endpoint: str
    in_peer: Endpoint
    in_local: Endpoint
    out_local: Endpoint
    out_peer: Endpoint
    start_s: float
    end_s: float
    bytes_in: int
    bytes_out: int
    closed_by: str
    how: str
    reason: str
    asked: str
    cluster_ip: str
    def __init__(self, id: _Optional[str] = ..., hop: _Optional[str] = ..., host: _Optional[str] = ..., service: _Optional[str] = ..., endpoint: _Optional[str] = ..., in_peer: _Optional[_Union[Endpoint, _Mapping]] = ..., in_local: _Optional[_Union[Endpoint, _Mapping]] = ..., out_local: _Optional[_Union[Endpoint, _Mapping]] = ..., out_peer: _Optional[_Union[Endpoint, _Mapping]] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., bytes_in: _Optional[int] = ..., bytes_out: _Optional[int] = ..., closed_by: _Optional[str] = ..., how: _Optional[str] = ..., reason: _Optional[str] = ..., asked: _Optional[str] = ..., cluster_ip: _Optional[str] = ...) -> None: ...

class FlowsRequest(_message.Message):
    __slots__ = ("since_s", "address", "limit")
    SINCE_S_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    since_s: float
    address: str
    limit: int
    def __init__(self, since_s: _Optional[float] = ..., address: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class FlowList(_message.Message):
    __slots__ = ("flows", "silent")
    FLOWS_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    flows: _containers.RepeatedCompositeFieldContainer[Flow]
    silent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, flows: _Optional[_Iterable[_Union[Flow, _Mapping]]] = ..., silent: _Optional[_Iterable[str]] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("namespace", "pod", "container", "tail", "previous", "follow", "node", "uid", "timestamps", "since_s", "limit_bytes")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    TAIL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    SINCE_S_FIELD_NUMBER: _ClassVar[int]
    LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod: str
    container: str
    tail: int
    previous: bool
    follow: bool
    node: str
    uid: str
    timestamps: bool
    since_s: float
    limit_bytes: int
    def __init__(self, namespace: _Optional[str] = ..., pod: _Optional[str] = ..., container: _Optional[str] = ..., tail: _Optional[int] = ..., previous: _Optional[bool] = ..., follow: _Optional[bool] = ..., node: _Optional[str] = ..., uid: _Optional[str] = ..., timestamps: _Optional[bool] = ..., since_s: _Optional[float] = ..., limit_bytes: _Optional[int] = ...) -> None: ...

class LogChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ExecStart(_message.Message):
    __slots__ = ("namespace", "pod", "uid", "container", "command", "stdin", "stdout", "stderr", "tty", "check_only", "attach")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    CHECK_ONLY_FIELD_NUMBER: _ClassVar[int]
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod: str
    uid: str
    container: str
    command: _containers.RepeatedScalarFieldContainer[str]
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    check_only: bool
    attach: bool
    def __init__(self, namespace: _Optional[str] = ..., pod: _Optional[str] = ..., uid: _Optional[str] = ..., container: _Optional[str] = ..., command: _Optional[_Iterable[str]] = ..., stdin: _Optional[bool] = ..., stdout: _Optional[bool] = ..., stderr: _Optional[bool] = ..., tty: _Optional[bool] = ..., check_only: _Optional[bool] = ..., attach: _Optional[bool] = ...) -> None: ...

class TerminalSize(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ExecInput(_message.Message):
    __slots__ = ("start", "stdin", "end_of_stdin", "size")
    START_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    END_OF_STDIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    start: ExecStart
    stdin: bytes
    end_of_stdin: bool
    size: TerminalSize
    def __init__(self, start: _Optional[_Union[ExecStart, _Mapping]] = ..., stdin: _Optional[bytes] = ..., end_of_stdin: _Optional[bool] = ..., size: _Optional[_Union[TerminalSize, _Mapping]] = ...) -> None: ...

class ExecOutput(_message.Message):
    __slots__ = ("started", "stdout", "stderr", "exit_code")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    started: bool
    stdout: bytes
    stderr: bytes
    exit_code: int
    def __init__(self, started: _Optional[bool] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exit_code: _Optional[int] = ...) -> None: ...

class UsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ContainerUsage(_message.Message):
    __slots__ = ("namespace", "pod", "container", "cpu_cores", "memory_bytes", "window_s")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_S_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod: str
    container: str
    cpu_cores: float
    memory_bytes: int
    window_s: float
    def __init__(self, namespace: _Optional[str] = ..., pod: _Optional[str] = ..., container: _Optional[str] = ..., cpu_cores: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., window_s: _Optional[float] = ...) -> None: ...

class UsageReport(_message.Message):
    __slots__ = ("at_s", "node", "containers")
    AT_S_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    at_s: float
    node: ContainerUsage
    containers: _containers.RepeatedCompositeFieldContainer[ContainerUsage]
    def __init__(self, at_s: _Optional[float] = ..., node: _Optional[_Union[ContainerUsage, _Mapping]] = ..., containers: _Optional[_Iterable[_Union[ContainerUsage, _Mapping]]] = ...) -> None: ...

class OpenClientRequest(_message.Message):
    __slots__ = ("label",)
    LABEL_FIELD_NUMBER: _ClassVar[int]
    label: str
    def __init__(self, label: _Optional[str] = ...) -> None: ...

class OutsideClient(_message.Message):
    __slots__ = ("address", "gateway")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    address: str
    gateway: str
    def __init__(self, address: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AgentInfo(_message.Message):
    __slots__ = ("name", "pid", "state", "json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    pid: int
    state: str
    json: bytes
    def __init__(self, name: _Optional[str] = ..., pid: _Optional[int] = ..., state: _Optional[str] = ..., json: _Optional[bytes] = ...) -> None: ...

class LoadBalancerRef(_message.Message):
    __slots__ = ("namespace", "service")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    service: str
    def __init__(self, namespace: _Optional[str] = ..., service: _Optional[str] = ...) -> None: ...

class LoadBalancerPort(_message.Message):
    __slots__ = ("name", "protocol", "port", "node_port")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    NODE_PORT_FIELD_NUMBER: _ClassVar[int]
    name: str
    protocol: str
    port: int
    node_port: int
    def __init__(self, name: _Optional[str] = ..., protocol: _Optional[str] = ..., port: _Optional[int] = ..., node_port: _Optional[int] = ...) -> None: ...

class LoadBalancerTarget(_message.Message):
    __slots__ = ("node", "address", "zone", "published")
    class PublishedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Endpoint
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Endpoint, _Mapping]] = ...) -> None: ...
    NODE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    node: str
    address: str
    zone: str
    published: _containers.MessageMap[int, Endpoint]
    def __init__(self, node: _Optional[str] = ..., address: _Optional[str] = ..., zone: _Optional[str] = ..., published: _Optional[_Mapping[int, Endpoint]] = ...) -> None: ...

class LoadBalancerSpec(_message.Message):
    __slots__ = ("namespace", "service", "uid", "preset", "ports", "targets", "source_ranges", "local_only", "health_check_node_port", "client_affinity", "affinity_timeout_s", "settings")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RANGES_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ONLY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_NODE_PORT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_AFFINITY_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    service: str
    uid: str
    preset: str
    ports: _containers.RepeatedCompositeFieldContainer[LoadBalancerPort]
    targets: _containers.RepeatedCompositeFieldContainer[LoadBalancerTarget]
    source_ranges: _containers.RepeatedScalarFieldContainer[str]
    local_only: bool
    health_check_node_port: int
    client_affinity: bool
    affinity_timeout_s: float
    settings: _containers.ScalarMap[str, str]
    def __init__(self, namespace: _Optional[str] = ..., service: _Optional[str] = ..., uid: _Optional[str] = ..., preset: _Optional[str] = ..., ports: _Optional[_Iterable[_Union[LoadBalancerPort, _Mapping]]] = ..., targets: _Optional[_Iterable[_Union[LoadBalancerTarget, _Mapping]]] = ..., source_ranges: _Optional[_Iterable[str]] = ..., local_only: _Optional[bool] = ..., health_check_node_port: _Optional[int] = ..., client_affinity: _Optional[bool] = ..., affinity_timeout_s: _Optional[float] = ..., settings: _Optional[_Mapping[str, str]] = ...) -> None: ...

class LoadBalancerInfo(_message.Message):
    __slots__ = ("address", "addresses", "agent", "state", "json", "published")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    address: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    agent: str
    state: str
    json: bytes
    published: _containers.RepeatedCompositeFieldContainer[Endpoint]
    def __init__(self, address: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., agent: _Optional[str] = ..., state: _Optional[str] = ..., json: _Optional[bytes] = ..., published: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ...) -> None: ...

class DownRequest(_message.Message):
    __slots__ = ("grace_s",)
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    grace_s: float
    def __init__(self, grace_s: _Optional[float] = ...) -> None: ...

class DownResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenGeneratorsRequest(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class Generator(_message.Message):
    __slots__ = ("name", "agent", "pid", "host")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    name: str
    agent: str
    pid: int
    host: str
    def __init__(self, name: _Optional[str] = ..., agent: _Optional[str] = ..., pid: _Optional[int] = ..., host: _Optional[str] = ...) -> None: ...

class Generators(_message.Message):
    __slots__ = ("generators",)
    GENERATORS_FIELD_NUMBER: _ClassVar[int]
    generators: _containers.RepeatedCompositeFieldContainer[Generator]
    def __init__(self, generators: _Optional[_Iterable[_Union[Generator, _Mapping]]] = ...) -> None: ...

class ObserveRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Observation(_message.Message):
    __slots__ = ("at_s", "truth", "observer", "where", "subject", "state", "service", "word", "node", "zone", "services")
    AT_S_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    OBSERVER_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    at_s: float
    truth: bool
    observer: str
    where: str
    subject: str
    state: str
    service: str
    word: str
    node: str
    zone: str
    services: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, at_s: _Optional[float] = ..., truth: _Optional[bool] = ..., observer: _Optional[str] = ..., where: _Optional[str] = ..., subject: _Optional[str] = ..., state: _Optional[str] = ..., service: _Optional[str] = ..., word: _Optional[str] = ..., node: _Optional[str] = ..., zone: _Optional[str] = ..., services: _Optional[_Iterable[str]] = ...) -> None: ...

class Observations(_message.Message):
    __slots__ = ("observations", "state_done", "silent")
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    STATE_DONE_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    observations: _containers.RepeatedCompositeFieldContainer[Observation]
    state_done: bool
    silent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, observations: _Optional[_Iterable[_Union[Observation, _Mapping]]] = ..., state_done: _Optional[bool] = ..., silent: _Optional[_Iterable[str]] = ...) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("how", "address", "host", "count", "timeout_s", "bytes", "via", "source", "gateway")
    HOW_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    VIA_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    how: str
    address: str
    host: str
    count: int
    timeout_s: float
    bytes: int
    via: str
    source: str
    gateway: str
    def __init__(self, how: _Optional[str] = ..., address: _Optional[str] = ..., host: _Optional[str] = ..., count: _Optional[int] = ..., timeout_s: _Optional[float] = ..., bytes: _Optional[int] = ..., via: _Optional[str] = ..., source: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...

class ProbeSample(_message.Message):
    __slots__ = ("at_s", "outcome", "connect_s", "answer_s", "retransmits", "detail")
    AT_S_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CONNECT_S_FIELD_NUMBER: _ClassVar[int]
    ANSWER_S_FIELD_NUMBER: _ClassVar[int]
    RETRANSMITS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    at_s: float
    outcome: str
    connect_s: float
    answer_s: float
    retransmits: int
    detail: str
    def __init__(self, at_s: _Optional[float] = ..., outcome: _Optional[str] = ..., connect_s: _Optional[float] = ..., answer_s: _Optional[float] = ..., retransmits: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class ProbeReply(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedCompositeFieldContainer[ProbeSample]
    def __init__(self, samples: _Optional[_Iterable[_Union[ProbeSample, _Mapping]]] = ...) -> None: ...

class WitnessRequest(_message.Message):
    __slots__ = ("fault_id", "timeout_s", "over")
    FAULT_ID_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    fault_id: str
    timeout_s: float
    over: bool
    def __init__(self, fault_id: _Optional[str] = ..., timeout_s: _Optional[float] = ..., over: _Optional[bool] = ...) -> None: ...

class Witnessed(_message.Message):
    __slots__ = ("seen", "by", "what", "at_s", "end")
    SEEN_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    AT_S_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    seen: bool
    by: str
    what: str
    at_s: float
    end: str
    def __init__(self, seen: _Optional[bool] = ..., by: _Optional[str] = ..., what: _Optional[str] = ..., at_s: _Optional[float] = ..., end: _Optional[str] = ...) -> None: ...

class RigRequest(_message.Message):
    __slots__ = ("since_s",)
    SINCE_S_FIELD_NUMBER: _ClassVar[int]
    since_s: float
    def __init__(self, since_s: _Optional[float] = ...) -> None: ...

class ProcessRig(_message.Message):
    __slots__ = ("name", "pid", "from_s", "to_s", "cpu_s", "lag_p50_s", "lag_p99_s", "lag_max_s", "clock_step_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    FROM_S_FIELD_NUMBER: _ClassVar[int]
    TO_S_FIELD_NUMBER: _ClassVar[int]
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    LAG_P50_S_FIELD_NUMBER: _ClassVar[int]
    LAG_P99_S_FIELD_NUMBER: _ClassVar[int]
    LAG_MAX_S_FIELD_NUMBER: _ClassVar[int]
    CLOCK_STEP_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    pid: int
    from_s: float
    to_s: float
    cpu_s: float
    lag_p50_s: float
    lag_p99_s: float
    lag_max_s: float
    clock_step_s: float
    def __init__(self, name: _Optional[str] = ..., pid: _Optional[int] = ..., from_s: _Optional[float] = ..., to_s: _Optional[float] = ..., cpu_s: _Optional[float] = ..., lag_p50_s: _Optional[float] = ..., lag_p99_s: _Optional[float] = ..., lag_max_s: _Optional[float] = ..., clock_step_s: _Optional[float] = ...) -> None: ...

class RigReport(_message.Message):
    __slots__ = ("processes", "silent")
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    processes: _containers.RepeatedCompositeFieldContainer[ProcessRig]
    silent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, processes: _Optional[_Iterable[_Union[ProcessRig, _Mapping]]] = ..., silent: _Optional[_Iterable[str]] = ...) -> None: ...
