"""The controllers of the control plane: each turns events into writes, and does no I/O.

`plane.ControlPlane` drives them all. Of one piece of the API each: `deployment`, `replicaset`,
`daemonset`, `statefulset`, `disruption`, `scheduler`, `endpointslice`, `node_lifecycle`,
`evictions` (by taints), `podgc`, `service_lb`, `event_ttl`.
What they decide with is pure: `rollout`, `daemon_rollout`, `budget`, `victims`, `feasibility`,
`capacity`, `placement`, `endpoints`, `slice_packing`, `node_health`, `zones`, `annotations`.
What they keep: `claims` and `orphans` (whose pods are whose), `history` (former templates),
`membership`, `stateful_members`, `daemon_nodes`, `dirty` (what has to be looked at).
"""

from .cloud_commands import CloudCommand as CloudCommand
from .cloud_commands import DeleteLoadBalancer as DeleteLoadBalancer
from .cloud_commands import EnsureLoadBalancer as EnsureLoadBalancer
from .cloud_commands import LoadBalancerPort as LoadBalancerPort
from .cloud_commands import LoadBalancerRef as LoadBalancerRef
from .cloud_commands import LoadBalancerSpec as LoadBalancerSpec
from .cloud_commands import LoadBalancerTarget as LoadBalancerTarget
from .node_lifecycle import NodeLifecycleSettings as NodeLifecycleSettings
from .plane import ControlPlane as ControlPlane
from .writer import Controller as Controller
