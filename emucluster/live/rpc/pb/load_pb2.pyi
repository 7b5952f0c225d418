from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LoadSpec(_message.Message):
    __slots__ = ("run", "seed", "start_s", "groups", "batch_s")
    RUN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    BATCH_S_FIELD_NUMBER: _ClassVar[int]
    run: str
    seed: str
    start_s: float
    groups: _containers.RepeatedCompositeFieldContainer[LoadGroup]
    batch_s: float
    def __init__(self, run: _Optional[str] = ..., seed: _Optional[str] = ..., start_s: _Optional[float] = ..., groups: _Optional[_Iterable[_Union[LoadGroup, _Mapping]]] = ..., batch_s: _Optional[float] = ...) -> None: ...

class LoadGroup(_message.Message):
    __slots__ = ("name", "clients", "target", "open", "closed", "method", "messages", "message_interval_s", "request_bytes", "reply_bytes", "delay_s", "deadline_s", "wait_for_ready", "connection", "service_config", "keepalive", "arguments", "max_in_flight", "start_within_s", "clients_in_all", "no_waiting")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DELAY_S_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_S_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_READY_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SERVICE_CONFIG_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    START_WITHIN_S_FIELD_NUMBER: _ClassVar[int]
    CLIENTS_IN_ALL_FIELD_NUMBER: _ClassVar[int]
    NO_WAITING_FIELD_NUMBER: _ClassVar[int]
    name: str
    clients: _containers.RepeatedCompositeFieldContainer[LoadClient]
    target: LoadTarget
    open: OpenLoop
    closed: ClosedLoop
    method: str
    messages: int
    message_interval_s: float
    request_bytes: int
    reply_bytes: int
    delay_s: float
    deadline_s: float
    wait_for_ready: bool
    connection: str
    service_config: str
    keepalive: Keepalive
    arguments: _containers.RepeatedCompositeFieldContainer[ChannelArgument]
    max_in_flight: int
    start_within_s: float
    clients_in_all: int
    no_waiting: bool
    def __init__(self, name: _Optional[str] = ..., clients: _Optional[_Iterable[_Union[LoadClient, _Mapping]]] = ..., target: _Optional[_Union[LoadTarget, _Mapping]] = ..., open: _Optional[_Union[OpenLoop, _Mapping]] = ..., closed: _Optional[_Union[ClosedLoop, _Mapping]] = ..., method: _Optional[str] = ..., messages: _Optional[int] = ..., message_interval_s: _Optional[float] = ..., request_bytes: _Optional[int] = ..., reply_bytes: _Optional[int] = ..., delay_s: _Optional[float] = ..., deadline_s: _Optional[float] = ..., wait_for_ready: _Optional[bool] = ..., connection: _Optional[str] = ..., service_config: _Optional[str] = ..., keepalive: _Optional[_Union[Keepalive, _Mapping]] = ..., arguments: _Optional[_Iterable[_Union[ChannelArgument, _Mapping]]] = ..., max_in_flight: _Optional[int] = ..., start_within_s: _Optional[float] = ..., clients_in_all: _Optional[int] = ..., no_waiting: _Optional[bool] = ...) -> None: ...

class LoadClient(_message.Message):
    __slots__ = ("number", "gateway", "uri")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    number: int
    gateway: str
    uri: str
    def __init__(self, number: _Optional[int] = ..., gateway: _Optional[str] = ..., uri: _Optional[str] = ...) -> None: ...

class LoadTarget(_message.Message):
    __slots__ = ("addresses", "name", "uri", "round_robin")
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    ROUND_ROBIN_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    name: str
    uri: str
    round_robin: bool
    def __init__(self, addresses: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ..., uri: _Optional[str] = ..., round_robin: _Optional[bool] = ...) -> None: ...

class OpenLoop(_message.Message):
    __slots__ = ("segments", "poisson")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    POISSON_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[RateSegment]
    poisson: bool
    def __init__(self, segments: _Optional[_Iterable[_Union[RateSegment, _Mapping]]] = ..., poisson: _Optional[bool] = ...) -> None: ...

class RateSegment(_message.Message):
    __slots__ = ("duration_s", "from_per_s", "to_per_s")
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    FROM_PER_S_FIELD_NUMBER: _ClassVar[int]
    TO_PER_S_FIELD_NUMBER: _ClassVar[int]
    duration_s: float
    from_per_s: float
    to_per_s: float
    def __init__(self, duration_s: _Optional[float] = ..., from_per_s: _Optional[float] = ..., to_per_s: _Optional[float] = ...) -> None: ...

class ClosedLoop(_message.Message):
    __slots__ = ("concurrency", "think_s", "think_exponential", "duration_s")
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    THINK_S_FIELD_NUMBER: _ClassVar[int]
    THINK_EXPONENTIAL_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    concurrency: int
    think_s: float
    think_exponential: bool
    duration_s: float
    def __init__(self, concurrency: _Optional[int] = ..., think_s: _Optional[float] = ..., think_exponential: _Optional[bool] = ..., duration_s: _Optional[float] = ...) -> None: ...

class Keepalive(_message.Message):
    __slots__ = ("time_s", "timeout_s", "without_calls")
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_CALLS_FIELD_NUMBER: _ClassVar[int]
    time_s: float
    timeout_s: float
    without_calls: bool
    def __init__(self, time_s: _Optional[float] = ..., timeout_s: _Optional[float] = ..., without_calls: _Optional[bool] = ...) -> None: ...

class ChannelArgument(_message.Message):
    __slots__ = ("name", "text", "number")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    name: str
    text: str
    number: int
    def __init__(self, name: _Optional[str] = ..., text: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class LoadWatchRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: int
    def __init__(self, after: _Optional[int] = ...) -> None: ...

class LoadStopRequest(_message.Message):
    __slots__ = ("drain_s",)
    DRAIN_S_FIELD_NUMBER: _ClassVar[int]
    drain_s: float
    def __init__(self, drain_s: _Optional[float] = ...) -> None: ...

class LoadDescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LoadInfo(_message.Message):
    __slots__ = ("run", "state", "start_s", "pid", "calls", "in_flight", "batches")
    RUN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    run: str
    state: str
    start_s: float
    pid: int
    calls: int
    in_flight: int
    batches: int
    def __init__(self, run: _Optional[str] = ..., state: _Optional[str] = ..., start_s: _Optional[float] = ..., pid: _Optional[int] = ..., calls: _Optional[int] = ..., in_flight: _Optional[int] = ..., batches: _Optional[int] = ...) -> None: ...

class LoadBatch(_message.Message):
    __slots__ = ("sequence", "run", "generator", "last", "groups", "per_call", "calls", "pods", "connections", "details", "events", "health", "lost_batches")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    PER_CALL_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    LOST_BATCHES_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    run: str
    generator: str
    last: bool
    groups: _containers.RepeatedScalarFieldContainer[str]
    per_call: _containers.RepeatedScalarFieldContainer[bool]
    calls: LoadCalls
    pods: _containers.RepeatedCompositeFieldContainer[LoadPod]
    connections: _containers.RepeatedCompositeFieldContainer[LoadConnection]
    details: _containers.RepeatedScalarFieldContainer[str]
    events: _containers.RepeatedCompositeFieldContainer[ChannelEvent]
    health: GeneratorHealth
    lost_batches: int
    def __init__(self, sequence: _Optional[int] = ..., run: _Optional[str] = ..., generator: _Optional[str] = ..., last: _Optional[bool] = ..., groups: _Optional[_Iterable[str]] = ..., per_call: _Optional[_Iterable[bool]] = ..., calls: _Optional[_Union[LoadCalls, _Mapping]] = ..., pods: _Optional[_Iterable[_Union[LoadPod, _Mapping]]] = ..., connections: _Optional[_Iterable[_Union[LoadConnection, _Mapping]]] = ..., details: _Optional[_Iterable[str]] = ..., events: _Optional[_Iterable[_Union[ChannelEvent, _Mapping]]] = ..., health: _Optional[_Union[GeneratorHealth, _Mapping]] = ..., lost_batches: _Optional[int] = ...) -> None: ...

class LoadCalls(_message.Message):
    __slots__ = ("group", "client", "number", "intended_s", "started_s", "ended_s", "status", "outcome", "pod", "connection", "sent_bytes", "received_bytes", "replies", "first_reply_s", "executed", "attempts", "detail")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTENDED_S_FIELD_NUMBER: _ClassVar[int]
    STARTED_S_FIELD_NUMBER: _ClassVar[int]
    ENDED_S_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    SENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    REPLIES_FIELD_NUMBER: _ClassVar[int]
    FIRST_REPLY_S_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    group: _containers.RepeatedScalarFieldContainer[int]
    client: _containers.RepeatedScalarFieldContainer[int]
    number: _containers.RepeatedScalarFieldContainer[int]
    intended_s: _containers.RepeatedScalarFieldContainer[float]
    started_s: _containers.RepeatedScalarFieldContainer[float]
    ended_s: _containers.RepeatedScalarFieldContainer[float]
    status: _containers.RepeatedScalarFieldContainer[int]
    outcome: _containers.RepeatedScalarFieldContainer[int]
    pod: _containers.RepeatedScalarFieldContainer[int]
    connection: _containers.RepeatedScalarFieldContainer[int]
    sent_bytes: _containers.RepeatedScalarFieldContainer[int]
    received_bytes: _containers.RepeatedScalarFieldContainer[int]
    replies: _containers.RepeatedScalarFieldContainer[int]
    first_reply_s: _containers.RepeatedScalarFieldContainer[float]
    executed: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    detail: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, group: _Optional[_Iterable[int]] = ..., client: _Optional[_Iterable[int]] = ..., number: _Optional[_Iterable[int]] = ..., intended_s: _Optional[_Iterable[float]] = ..., started_s: _Optional[_Iterable[float]] = ..., ended_s: _Optional[_Iterable[float]] = ..., status: _Optional[_Iterable[int]] = ..., outcome: _Optional[_Iterable[int]] = ..., pod: _Optional[_Iterable[int]] = ..., connection: _Optional[_Iterable[int]] = ..., sent_bytes: _Optional[_Iterable[int]] = ..., received_bytes: _Optional[_Iterable[int]] = ..., replies: _Optional[_Iterable[int]] = ..., first_reply_s: _Optional[_Iterable[float]] = ..., executed: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., detail: _Optional[_Iterable[int]] = ...) -> None: ...

class LoadPod(_message.Message):
    __slots__ = ("pod", "namespace", "node", "zone", "pod_ip")
    POD_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    POD_IP_FIELD_NUMBER: _ClassVar[int]
    pod: str
    namespace: str
    node: str
    zone: str
    pod_ip: str
    def __init__(self, pod: _Optional[str] = ..., namespace: _Optional[str] = ..., node: _Optional[str] = ..., zone: _Optional[str] = ..., pod_ip: _Optional[str] = ...) -> None: ...

class LoadConnection(_message.Message):
    __slots__ = ("id", "channel", "client", "opened_s", "flow")
    ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    OPENED_S_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    id: int
    channel: str
    client: str
    opened_s: float
    flow: str
    def __init__(self, id: _Optional[int] = ..., channel: _Optional[str] = ..., client: _Optional[str] = ..., opened_s: _Optional[float] = ..., flow: _Optional[str] = ...) -> None: ...

class ChannelEvent(_message.Message):
    __slots__ = ("channel", "at_s", "state")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_S_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    channel: str
    at_s: float
    state: str
    def __init__(self, channel: _Optional[str] = ..., at_s: _Optional[float] = ..., state: _Optional[str] = ...) -> None: ...

class GeneratorHealth(_message.Message):
    __slots__ = ("from_s", "to_s", "cpu_s", "lag_p50_s", "lag_p99_s", "lag_max_s", "started", "late", "late_max_s", "expired_late", "expired_waiting", "in_flight", "run_lag_p99_s")
    FROM_S_FIELD_NUMBER: _ClassVar[int]
    TO_S_FIELD_NUMBER: _ClassVar[int]
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    LAG_P50_S_FIELD_NUMBER: _ClassVar[int]
    LAG_P99_S_FIELD_NUMBER: _ClassVar[int]
    LAG_MAX_S_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    LATE_MAX_S_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_LATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_WAITING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RUN_LAG_P99_S_FIELD_NUMBER: _ClassVar[int]
    from_s: float
    to_s: float
    cpu_s: float
    lag_p50_s: float
    lag_p99_s: float
    lag_max_s: float
    started: int
    late: int
    late_max_s: float
    expired_late: int
    expired_waiting: int
    in_flight: int
    run_lag_p99_s: float
    def __init__(self, from_s: _Optional[float] = ..., to_s: _Optional[float] = ..., cpu_s: _Optional[float] = ..., lag_p50_s: _Optional[float] = ..., lag_p99_s: _Optional[float] = ..., lag_max_s: _Optional[float] = ..., started: _Optional[int] = ..., late: _Optional[int] = ..., late_max_s: _Optional[float] = ..., expired_late: _Optional[int] = ..., expired_waiting: _Optional[int] = ..., in_flight: _Optional[int] = ..., run_lag_p99_s: _Optional[float] = ...) -> None: ...
