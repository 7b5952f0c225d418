"""What can be broken, on whom, and the leases that end it again."""

from emucluster.core.faults.ledger import EndedBy, FaultLease, Follow, Ledger
from emucluster.core.faults.targets import (
    GONE,
    OUTSIDE,
    FaultTarget,
    check,
    check_id,
    check_until,
    is_over_at_once,
    kind_at,
    lasts_s,
    parse_peer,
    parse_target,
)

__all__ = [
    "GONE",
    "OUTSIDE",
    "EndedBy",
    "FaultLease",
    "FaultTarget",
    "Follow",
    "Ledger",
    "check",
    "check_id",
    "check_until",
    "is_over_at_once",
    "kind_at",
    "lasts_s",
    "parse_peer",
    "parse_target",
]
