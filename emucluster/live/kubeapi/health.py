"""`/version`, `/healthz`, `/livez`, `/readyz`.

Texts are those of k8s.io/apiserver pkg/server/healthz/healthz.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emucluster import __version__
from emucluster.core.errors import NotFound

from . import answers
from .request import Answer, Request

MINOR = "32"
"""Of the API: kubectl looks for a binary of its own of this minor version."""

Check = Callable[[], bool]

KINDS = ("healthz", "livez", "readyz")


def version(request: Request) -> Answer:
    """What `kubectl version` shows of the server."""
    content = {
        "major": "1",
        "minor": MINOR,
        "gitVersion": f"v1.{MINOR}.0+emucluster.{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/any",
    }
    return answers.tree(request, content)


def health(request: Request, checks: Mapping[str, Check]) -> Answer:
    """`ok`, or what is wrong; `?verbose` tells each check, `?exclude=NAME` leaves one out.

    `/livez/NAME` asks for one check alone; raises NotFound where there is none.
    """
    kind, *rest = request.parts
    if rest:
        if len(rest) > 1 or rest[0] not in checks:
            raise NotFound("the server could not find the requested resource")
        good = checks[rest[0]]()
        return answers.text(
            "ok" if good else f"internal server error: {rest[0]}: failed",
            status=200 if good else 500,
        )
    excluded = set(request.query.all("exclude"))
    lines, good = [], True
    for name, check in checks.items():
        if name in excluded:
            excluded.discard(name)
            lines.append(f"[+]{name} excluded: ok")
        elif check():
            lines.append(f"[+]{name} ok")
        else:
            good = False
            lines.append(f"[-]{name} failed: reason withheld")
    if excluded:
        quoted = ", ".join(f'"{name}"' for name in sorted(excluded))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    if not good:
        return answers.text("\n".join([*lines, f"{kind} check failed", ""]), status=500)
    if "verbose" in request.query:
        return answers.text("\n".join([*lines, f"{kind} check passed", ""]))
    return answers.text("ok")
