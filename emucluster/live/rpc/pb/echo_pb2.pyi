from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class EchoRequest(_message.Message):
    __slots__ = ("id", "message", "payload", "repeat", "delay_s", "reply_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REPEAT_FIELD_NUMBER: _ClassVar[int]
    DELAY_S_FIELD_NUMBER: _ClassVar[int]
    REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    message: str
    payload: bytes
    repeat: int
    delay_s: float
    reply_bytes: int
    def __init__(self, id: _Optional[str] = ..., message: _Optional[str] = ..., payload: _Optional[bytes] = ..., repeat: _Optional[int] = ..., delay_s: _Optional[float] = ..., reply_bytes: _Optional[int] = ...) -> None: ...

class EchoReply(_message.Message):
    __slots__ = ("id", "message", "payload", "pod", "namespace", "node", "zone", "pod_ip", "pid", "client", "calls", "connections", "executed", "attempts")
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    POD_IP_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    message: str
    payload: bytes
    pod: str
    namespace: str
    node: str
    zone: str
    pod_ip: str
    pid: int
    client: str
    calls: int
    connections: int
    executed: int
    attempts: int
    def __init__(self, id: _Optional[str] = ..., message: _Optional[str] = ..., payload: _Optional[bytes] = ..., pod: _Optional[str] = ..., namespace: _Optional[str] = ..., node: _Optional[str] = ..., zone: _Optional[str] = ..., pod_ip: _Optional[str] = ..., pid: _Optional[int] = ..., client: _Optional[str] = ..., calls: _Optional[int] = ..., connections: _Optional[int] = ..., executed: _Optional[int] = ..., attempts: _Optional[int] = ...) -> None: ...

class EchoControl(_message.Message):
    __slots__ = ("slow_s", "error_rate", "error_status", "not_ready", "hang")
    SLOW_S_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_STATUS_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_FIELD_NUMBER: _ClassVar[int]
    HANG_FIELD_NUMBER: _ClassVar[int]
    slow_s: float
    error_rate: float
    error_status: str
    not_ready: bool
    hang: bool
    def __init__(self, slow_s: _Optional[float] = ..., error_rate: _Optional[float] = ..., error_status: _Optional[str] = ..., not_ready: _Optional[bool] = ..., hang: _Optional[bool] = ...) -> None: ...

class EchoState(_message.Message):
    __slots__ = ("slow_s", "error_rate", "error_status", "not_ready", "hang", "calls", "connections")
    SLOW_S_FIELD_NUMBER: _ClassVar[int]
    ERROR_RATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_STATUS_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_FIELD_NUMBER: _ClassVar[int]
    HANG_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    slow_s: float
    error_rate: float
    error_status: str
    not_ready: bool
    hang: bool
    calls: int
    connections: int
    def __init__(self, slow_s: _Optional[float] = ..., error_rate: _Optional[float] = ..., error_status: _Optional[str] = ..., not_ready: _Optional[bool] = ..., hang: _Optional[bool] = ..., calls: _Optional[int] = ..., connections: _Optional[int] = ...) -> None: ...

class SeenRequest(_message.Message):
    __slots__ = ("ids", "prefix", "skip", "limit")
    IDS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    prefix: str
    skip: int
    limit: int
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., prefix: _Optional[str] = ..., skip: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class SeenReply(_message.Message):
    __slots__ = ("executed", "next")
    class ExecutedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    executed: _containers.ScalarMap[str, int]
    next: int
    def __init__(self, executed: _Optional[_Mapping[str, int]] = ..., next: _Optional[int] = ...) -> None: ...
