"""Which workload an image name stands for.

There is no registry: an image is one of three forms, and everything else cannot be pulled.

- `emucluster/echo[:TAG]`: the gRPC echo server; the tag is kept and has no meaning.
- `python://PACKAGE.MODULE:FUNCTION`: the user's own servicer; the function is called with a
  `grpc.aio.Server`. The module is found relative to the manifest.
- `command:PATH`, or `emucluster/command[:TAG]` with `command`/`args` in the container: any
  executable; one that serves does so on the `HOST` and `PORT` of its environment. A relative PATH
  is relative to the manifest.
"""

import re
from dataclasses import dataclass
from typing import Literal

THREE_FORMS = (
    "emucluster/echo, python://package.module:function, "
    "or command:/path/to/executable (emucluster/command with `command` in the container)"
)

_TAGGED = re.compile(r"emucluster/(echo|command)(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?")
_MODULE = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_PYTHON = re.compile(rf"python://({_MODULE}):([A-Za-z_]\w*)")


class UnknownImage(ValueError):
    """The image is none of the three forms; the message is what the pod's Event says."""


@dataclass(frozen=True, slots=True)
class Image:
    """A parsed image. `target` is `module:function` or the executable's path, else empty."""

    kind: Literal["echo", "python", "command"]
    name: str
    target: str = ""


def parse_image(name: str, *, stand_in: bool = False) -> Image:
    """What to run for `name`; with `stand_in`, echo for anything that cannot be pulled.

    Raises `UnknownImage` for other images, and for `command:` or `python://` with nothing behind.
    """
    if (tagged := _TAGGED.fullmatch(name)) is not None:
        return Image("echo" if tagged[1] == "echo" else "command", name)
    if (python := _PYTHON.fullmatch(name)) is not None:
        return Image("python", name, f"{python[1]}:{python[2]}")
    if name.startswith("command:") and (path := name.removeprefix("command:").strip()):
        return Image("command", name, path)
    if stand_in and not name.startswith(("python:", "command:", "emucluster/")):
        return Image("echo", name)
    raise UnknownImage(
        f'failed to resolve image "{name}": there is no registry here; an image is {THREE_FORMS}'
    )


def is_stand_in(image: Image) -> bool:
    """Whether something else runs in place of what the manifest names."""
    try:
        parse_image(image.name)
    except UnknownImage:
        return True
    return False


def completing(image: Image) -> Image:
    """What stands in for an init container: echo would never exit, `true` does so with code 0."""
    return Image("command", image.name, "true")
