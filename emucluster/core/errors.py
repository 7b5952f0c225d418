"""Everything that a caller may want to catch.

    EmuclusterError
    ├── UsageError                  the command or call is wrong in itself (exit code 2)
    ├── ClusterError                a cluster could not be started, reached or stopped
    │   ├── NameTaken
    │   ├── NotRunning
    │   ├── Unreachable
    │   └── PreflightFailed
    ├── ApiError                    the API refused: a Kubernetes Status
    │   ├── BadRequest          400
    │   ├── Unauthorized        401
    │   ├── Forbidden           403
    │   ├── NotFound            404
    │   ├── MethodNotAllowed    405
    │   ├── NotAcceptable       406
    │   ├── AlreadyExists       409
    │   ├── Conflict            409
    │   ├── Gone                410
    │   ├── TooLarge            413
    │   ├── UnsupportedMediaType 415
    │   ├── Invalid             422
    │   ├── TooManyRequests     429
    │   ├── InternalError       500
    │   ├── ServiceUnavailable  503
    │   └── Timeout             504
    └── RequestFailed               a request into the cluster brought no reply
        ├── NotSent                 definite: nothing left the caller, or nobody took it
        │   ├── NoRoute
        │   ├── ConnectionRefused
        │   └── ConnectTimeout
        ├── Refused                 definite: the server answered that it did not do it
        └── Unknown                 indefinite: it may have run
            ├── ConnectionLost
            └── DeadlineExceeded

Messages of ApiErrors are those of k8s.io/apimachinery/pkg/api/errors; the reasons of causes those
of metav1.CauseType.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
DUPLICATE = "FieldValueDuplicate"
NOT_SUPPORTED = "FieldValueNotSupported"
FORBIDDEN = "FieldValueForbidden"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
NOT_FOUND = "FieldValueNotFound"
TYPE_INVALID = "FieldValueTypeInvalid"


class EmuclusterError(Exception):
    """Base of everything a caller may want to catch."""


class UsageError(EmuclusterError):
    """The command line or the call is wrong in itself; nothing was tried."""


# --- clusters ------------------------------------------------------------------------------------


class ClusterError(EmuclusterError):
    """A cluster could not be started, reached or stopped."""


class NameTaken(ClusterError):
    """A cluster of this name runs already."""


class NotRunning(ClusterError):
    """No cluster of this name runs."""


class Unreachable(ClusterError):
    """The cluster, or the Ray it was to run on, does not answer."""


class PreflightFailed(ClusterError):
    """The machine cannot carry the cluster; the message says why and what to do."""


# --- the API -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing wrong with one field.

    Attributes:
        field: the path in dotted form, `spec.ports[0].nodePort`.
        reason: one of the FieldValue... constants of this module.
        message: what is wrong, without the path: `Required value`, `Invalid value: 80: ...`.
    """

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(EmuclusterError):
    """The API refused a request.

    Attributes:
        code: HTTP status code.
        reason: metav1.StatusReason, e.g. `NotFound`.
        message: the text kubectl shows after `Error from server (NotFound): `.
        causes: for Invalid and BadRequest, one for each field at fault.
        details: kind, group, name and uid of the object meant, as far as known.
        retry_after_s: when to try again, where trying again may help.
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = ""
    retry_after_s: int = 0

    def __init__(
        self,
        message: str,
        causes: Sequence[Cause] = (),
        *,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = tuple(causes)
        self.details = dict(details or {})


class BadRequest(ApiError):
    """The request cannot be understood: unknown fields, wrong types, unknown kinds."""

    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    """The token is missing or wrong."""

    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    """Understood, and not allowed."""

    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, resource: str, name: str, why: str) -> Forbidden:
        """`resource` as `pods` or `deployments.apps`; `name` may be empty."""
        which = f'{resource} "{name}"' if name else resource
        return cls(f"{which} is forbidden: {why}", details=_of(resource, name))


class NotFound(ApiError):
    """There is no such object."""

    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: str, name: str) -> NotFound:
        return cls(f'{resource} "{name}" not found', details=_of(resource, name))


class MethodNotAllowed(ApiError):
    """The resource exists and does not take this verb."""

    code, reason = 405, "MethodNotAllowed"

    def __init__(
        self,
        message: str = "the server does not allow this method on the requested resource",
        causes: Sequence[Cause] = (),
        *,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, causes, details=details)


class NotAcceptable(ApiError):
    """Nothing that can be answered is among the media types that the client takes."""

    code, reason = 406, "NotAcceptable"

    @classmethod
    def of(cls, accepted: Sequence[str]) -> NotAcceptable:
        return cls(f"only the following media types are accepted: {', '.join(accepted)}")


class AlreadyExists(ApiError):
    """An object of this kind, namespace and name exists."""

    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: str, name: str) -> AlreadyExists:
        return cls(f'{resource} "{name}" already exists', details=_of(resource, name))


class Conflict(ApiError):
    """The write was based on an older version; read again and repeat."""

    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, resource: str, name: str, why: str = "") -> Conflict:
        why = why or (
            "the object has been modified; please apply your changes to the latest version "
            "and try again"
        )
        text = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
        return cls(text, details=_of(resource, name))


class Gone(ApiError):
    """What is wanted of the past is no longer held; list again.

    Attributes:
        continue_: for a list whose next page is no longer held: the token that goes on without
            being consistent.
    """

    code, reason = 410, "Expired"
    continue_: str = ""


class TooLarge(ApiError):
    """The body is larger than the server reads."""

    code, reason = 413, "RequestEntityTooLarge"

    @classmethod
    def of(cls, limit: int) -> TooLarge:
        """`limit` in bytes."""
        return cls(f"Request entity too large: limit is {limit}")


class UnsupportedMediaType(ApiError):
    """The body is in a format that is not read here."""

    code, reason = 415, "UnsupportedMediaType"

    @classmethod
    def of(cls, accepted: Sequence[str]) -> UnsupportedMediaType:
        return cls(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(accepted)
        )


class Invalid(ApiError):
    """The object's values cannot be accepted; `causes` has every one of them."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, kind: str, name: str, causes: Sequence[Cause]) -> Invalid:
        """`kind` as `Service` or `Deployment.apps`."""
        texts = list(dict.fromkeys(str(cause) for cause in causes))
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        return cls(f'{kind} "{name}" is invalid: {listed}', causes, details=_of(kind, name))


class TooManyRequests(ApiError):
    """Not now; `retry_after_s` tells when to try again."""

    code, reason = 429, "TooManyRequests"

    def __init__(
        self,
        message: str = "Too many requests, please try again later.",
        causes: Sequence[Cause] = (),
        *,
        details: Mapping[str, str] | None = None,
        retry_after_s: int = 1,
    ) -> None:
        super().__init__(message, causes, details=details)
        self.retry_after_s = retry_after_s


class InternalError(ApiError):
    """The control plane failed."""

    code, reason = 500, "InternalError"

    @classmethod
    def of(cls, why: str) -> InternalError:
        return cls(f"Internal error occurred: {why}")


class ServiceUnavailable(ApiError):
    """The control plane is not serving now; the request was not acted upon."""

    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    """The request could not be completed in time; it may have been acted upon."""

    code, reason = 504, "Timeout"


def _of(resource: str, name: str) -> dict[str, str]:
    kind, _, group = resource.partition(".")
    details = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


_CLASSES: tuple[type[ApiError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Gone,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
)
_BY_REASON = {cls.reason: cls for cls in _CLASSES}


def to_status(error: ApiError) -> bytes:
    """The error as the JSON of a Kubernetes `Status`, which is how it crosses processes."""
    details: dict[str, Any] = dict(error.details)
    if error.causes:
        details["causes"] = [
            {"reason": c.reason, "message": c.message} | ({"field": c.field} if c.field else {})
            for c in error.causes
        ]
    continue_ = error.continue_ if isinstance(error, Gone) else ""
    if error.retry_after_s:
        details["retryAfterSeconds"] = error.retry_after_s
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {"continue": continue_} if continue_ else {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "code": error.code,
    }
    if details or isinstance(error, NotFound):
        # As upstream's have them always, kubectl debug looks into those of a 404 without asking.
        status["details"] = details
    return json.dumps(status).encode()


def from_status(data: bytes) -> ApiError:
    """The error that `to_status` wrote. Raises ValueError for anything else."""
    status = json.loads(data)
    if not isinstance(status, dict) or status.get("kind") != "Status":
        raise ValueError("not a Status object")
    details = dict(status.get("details") or {})
    causes = tuple(
        Cause(c.get("field", ""), c.get("reason", ""), c.get("message", ""))
        for c in details.pop("causes", ())
    )
    retry_after_s = int(details.pop("retryAfterSeconds", 0))
    cls = _BY_REASON.get(status.get("reason", ""), InternalError)
    error = cls(str(status.get("message", "")), causes, details=details)
    error.retry_after_s = retry_after_s
    return error


# --- traffic -------------------------------------------------------------------------------------


class RequestFailed(EmuclusterError):
    """A request into the cluster did not bring a reply.

    Attributes:
        definite: what the caller may conclude. True: no pod ran it, it is safe to send again.
            False: it may have run; send again only what may run twice.
        code: the gRPC status name.
    """

    definite: ClassVar[bool] = False
    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, target: str, why: str) -> None:
        super().__init__(f"{target}: {why}")
        self.target = target
        self.why = why


class NotSent(RequestFailed):
    """No pod got the request."""

    definite, code = True, "UNAVAILABLE"


class NoRoute(NotSent):
    """The target is not reachable from where the client is; refused before dialling."""


class ConnectionRefused(NotSent):
    """Nobody listens, or the Service has no endpoint that may take the connection."""


class ConnectTimeout(NotSent):
    """The connection was not established in time: silence, as from a machine without power."""


class Refused(RequestFailed):
    """The server answered with a status which says that it did not run the request."""

    definite, code = True, "RESOURCE_EXHAUSTED"


class Unknown(RequestFailed):
    """The request left, and no reply came: the pod may have run it."""


class ConnectionLost(Unknown):
    """The connection ended in the middle of the request."""

    definite, code = False, "UNAVAILABLE"


class DeadlineExceeded(Unknown):
    """No reply within the deadline; the pod may still be working on it."""

    definite, code = False, "DEADLINE_EXCEEDED"

    def __init__(self, target: str, *, timeout_s: float) -> None:
        super().__init__(target, f"no reply within {timeout_s:g} s")
        self.timeout_s = timeout_s
