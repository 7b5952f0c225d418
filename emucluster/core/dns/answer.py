"""An answer, before anybody puts it on a wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecordType = Literal["A", "CNAME", "SRV", "PTR", "SOA", "NS", "TXT"]
Rcode = Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]

TTL_S = 5
"""CoreDNS' kubernetes plugin: default of `ttl`. Real seconds whatever the cluster's speed."""


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record; names in it are absolute, with the final dot, `value` in zone-file
    form: `10.96.0.1`, `web.default.svc.cluster.local.`, `0 50 80 host.example.`."""

    name: str
    ttl: int
    type: RecordType
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`records` answer the question; NOERROR without any is "no data of this type".

    `authority` has the zone's SOA on negative answers, `additional` the addresses of SRV targets.
    REFUSED: the name is in no zone of this server. SERVFAIL: only a fault answers so.
    """

    rcode: Rcode
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class ExternalName:
    """A name whose addresses are not the cluster's to know."""

    target: str
