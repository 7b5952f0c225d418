from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core import errors
from emucluster.core.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Cause,
    Conflict,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DeadlineExceeded,
    EmuclusterError,
    Forbidden,
    Gone,
    InternalError,
    Invalid,
    NoRoute,
    NotFound,
    RequestFailed,
    from_status,
    to_status,
)

CAUSES = (
    Cause("spec.ports[0].nodePort", errors.INVALID, "Invalid value: 80: out of range"),
    Cause("spec.type", errors.REQUIRED, "Required value"),
)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (NotFound.of("services", "web"), 404, 'services "web" not found'),
        (NotFound.of("deployments.apps", "x"), 404, 'deployments.apps "x" not found'),
        (AlreadyExists.of("services", "web"), 409, 'services "web" already exists'),
        (
            Conflict.of("deployments.apps", "web"),
            409,
            'Operation cannot be fulfilled on deployments.apps "web": the object has been '
            "modified; please apply your changes to the latest version and try again",
        ),
        (Forbidden.of("pods", "a", "no"), 403, 'pods "a" is forbidden: no'),
        (
            Invalid.of("Service", "web", CAUSES[:1]),
            422,
            'Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 80: out of range',
        ),
        (
            Invalid.of("Service", "web", CAUSES),
            422,
            'Service "web" is invalid: [spec.ports[0].nodePort: Invalid value: 80: out of range, '
            "spec.type: Required value]",
        ),
        (InternalError.of("disk full"), 500, "Internal error occurred: disk full"),
        (Gone("too old resource version: 1 (9)"), 410, "too old resource version: 1 (9)"),
    ],
)
def test_errors_speak_as_the_api_does(error: ApiError, code: int, message: str) -> None:
    assert (error.code, str(error)) == (code, message)


def test_a_status_has_kubernetes_shape() -> None:
    status = json.loads(to_status(Invalid.of("Deployment.apps", "web", CAUSES)))
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", 422)
    assert status["reason"] == "Invalid"
    assert status["details"]["kind"] == "Deployment"
    assert status["details"]["group"] == "apps"
    assert status["details"]["causes"][1] == {
        "reason": "FieldValueRequired",
        "message": "Required value",
        "field": "spec.type",
    }


def test_a_status_of_what_is_not_found_has_details_for_kubectl_looks_into_them() -> None:
    assert json.loads(to_status(NotFound("gone")))["details"] == {}
    assert "details" not in json.loads(to_status(BadRequest("bad")))


CLASSES = [cls for cls in ApiError.__subclasses__() if cls.reason]


@given(
    st.sampled_from(CLASSES),
    st.text(max_size=20),
    st.lists(st.builds(Cause, st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))),
)
def test_errors_cross_processes_unchanged(
    cls: type[ApiError], message: str, causes: list[Cause]
) -> None:
    error = cls(message, causes, details={"name": "a", "kind": "pods"})
    back = from_status(to_status(error))
    assert type(back) is cls
    assert (back.message, back.causes, back.details) == (message, tuple(causes), error.details)


def test_a_reason_of_the_future_is_an_internal_error_and_anything_else_is_refused() -> None:
    assert isinstance(from_status(b'{"kind":"Status","reason":"New"}'), InternalError)
    for data in (b"{}", b"[]", b"x"):
        with pytest.raises(ValueError):
            from_status(data)


@pytest.mark.parametrize(
    ("error", "definite"),
    [
        (NoRoute("svc", "not reachable from outside"), True),
        (ConnectionRefused("svc", "refused"), True),
        (ConnectTimeout("svc", "silence"), True),
        (ConnectionLost("svc", "reset"), False),
        (DeadlineExceeded("svc", timeout_s=1), False),
    ],
)
def test_failed_requests_say_whether_they_may_have_run(
    error: RequestFailed, definite: bool
) -> None:
    assert error.definite is definite
    assert isinstance(error, EmuclusterError)
