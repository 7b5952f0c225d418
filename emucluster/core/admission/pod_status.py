"""What a kubelet says of one of its pods, as its PATCH of pods/NAME/status is taken.

Source: kubernetes pkg/kubelet/status/status_manager.go (syncPod) and pkg/util/pod (PatchPodStatus).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emucluster.core.errors import NotFound
from emucluster.core.objects import Pod, PodStatus, replace

if TYPE_CHECKING:
    from .admission import Admission


def write_pod_status(
    admission: Admission, namespace: str, name: str, uid: str, status: PodStatus, *, stamp: str
) -> Pod:
    """Replaces a pod's status but for conditions that `status` does not name, which stay.

    Raises NotFound when there is no such pod, or only another one of this name.
    """
    pod = admission.store.get(Pod, namespace, name)
    if pod is None or pod.metadata.uid != uid:
        raise NotFound.of("pods", name)
    own = {condition.type for condition in status.conditions}
    kept = (each for each in pod.status.conditions if each.type not in own)
    merged = replace(status, conditions=(*status.conditions, *kept))
    return admission.update(replace(pod, status=merged), stamp=stamp, subresource="status")
