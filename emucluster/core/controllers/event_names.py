"""Names of Events, which grow with time: whoever lists them by name sees an object's in order."""

from __future__ import annotations

from .stamps import wall_s

_DIGITS = 16
_ABOUT_MAX = 253 - 1 - _DIGITS
_SECOND_NS = 10**9


def event_name(about: str, *, stamp: str, version: int) -> str:
    """The name of an object, cut where it is too long, and a moment in nanoseconds, in hex.

    Stamps have whole seconds, and several Events are written in one. So what is below the second
    is the version that the store gives the Event, which grows: no two are alike, and the same
    history has the same names.

    Source: k8s.io/client-go/tools/record/util/util.go, GenerateEventName.

    Args:
        about: the name of the object that the Event tells of.
        stamp: when it is written.
        version: the resourceVersion that it gets.
    """
    moment_ns = int(wall_s(stamp)) * _SECOND_NS + version % _SECOND_NS
    return f"{about[:_ABOUT_MAX]}.{moment_ns:0{_DIGITS}x}"
