"""What a kubelet is configured with. Durations are as configured; `speed` divides them in use."""

from dataclasses import dataclass, field

from emucluster.core.durations import Speed
from emucluster.core.objects.quantity import Quantity


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """Defaults are those of kubernetes/kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go."""

    address: str
    """InternalIP of the node."""
    pod_cidr: str
    """The /24 from which the pods' addresses come."""
    zone: str = ""
    region: str = "emu"
    pods_max: int = 110
    speed: Speed = field(default_factory=Speed)
    stand_in: bool = False
    """Run echo for images that cannot be pulled."""
    lease_duration_s: float = 40.0
    lease_renew_s: float = 10.0
    status_update_s: float = 10.0
    """How often the node status is computed; it is written when it differs."""
    status_report_s: float = 300.0
    """How often it is written though nothing differs."""
    cpu: str = "4"
    memory: str = "8Gi"
    version: str = "v1.32.0"

    @property
    def capacity(self) -> dict[str, Quantity]:
        """What the node has, all of it for pods."""
        return {
            "cpu": self.cpu,
            "ephemeral-storage": "100Gi",
            "memory": self.memory,
            "pods": str(self.pods_max),
        }
