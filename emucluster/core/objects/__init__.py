"""Kubernetes objects as frozen msgspec structs, one class for each definition of the API.

Names are Python's (`pod.status.pod_ip`), JSON names are Kubernetes' (`podIP`). How "absent" looks:

- a scalar, a map, or a struct that may be missing: `None`;
- an array: `()`;
- `name`, `namespace`, `generate_name`, `uid`, `resource_version` of ObjectMeta: `""`;
- `metadata`, `spec`, `status`, `template` and what else Go holds by value: an empty instance;
- a field that the API requires: Go's zero value (`""`, `0`, `False`), always encoded.

Nothing can be assigned. `replace` makes a changed copy that shares the rest:

    pod = replace(pod, status=replace(pod.status, phase="Running"))

A map inside an object is shared by its copies: build a new one, never update it.
`Pod.kind` is a class attribute; `pod.api_version` a field with one possible value.
"""

from msgspec.structs import replace as replace

from .custom import CustomObject as CustomObject
from .generated.exports import *  # noqa: F403
from .root import Object as Object
