"""What can be broken, on whom, and the leases that end it again."""

from emucluster.core.faults.kinds import FAULTS, FaultTarget, check, is_over_at_once, parse_target
from emucluster.core.faults.ledger import FaultLease, Ledger

__all__ = [
    "FAULTS",
    "FaultLease",
    "FaultTarget",
    "Ledger",
    "check",
    "is_over_at_once",
    "parse_target",
]
