"""Answers to questions about the cluster's names.

Source: Kubernetes DNS-Based Service Discovery 1.1.0; CoreDNS' plugins kubernetes (`pods insecure`,
`ttl 5`) and loadbalance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address

from emucluster.core import objects as k8s
from emucluster.core.addresses import CLUSTER_DOMAIN, DNS_SERVICE_IP

from .answer import TTL_S, Answer, ExternalName, Rcode, Record, RecordType
from .registry import EventType, Port, Registry, ServiceEntry

NDOTS = 5
"""A name with fewer dots is tried with the search list first; resolv.conf of a pod."""

_CNAME_CHAIN_MAX = 8
_REVERSE = "in-addr.arpa"
_SERVED: frozenset[str] = frozenset(("A", "CNAME", "SRV", "PTR", "SOA", "NS", "TXT"))
_ROTATIONS_MAX = 4096


def search_list(namespace: str, domain: str = CLUSTER_DOMAIN) -> tuple[str, ...]:
    """The search list of a pod: `default.svc.cluster.local`, `svc.cluster.local`, ..."""
    return f"{namespace}.svc.{domain}", f"svc.{domain}", domain


class DnsView:
    """What a DNS server of the cluster knows, fed with watch events.

    Args:
        outside: names beyond the cluster to `ADDRESS:PORT`, where their traffic goes. Only these
            are answered besides the cluster's own.
        domain: the cluster's zone.
        dns_ip: the address of `ns.dns.<domain>`.
        verify_pods: pod names (`10-1-2-3.ns.pod...`) exist only while such a pod does. Default:
            every address is answered, as with `pods insecure` in kubeadm's Corefile.

    Attributes:
        failing: what every question is answered with while a fault has it so.
    """

    def __init__(
        self,
        *,
        outside: Mapping[str, str] | None = None,
        domain: str = CLUSTER_DOMAIN,
        dns_ip: str = DNS_SERVICE_IP,
        verify_pods: bool = False,
    ) -> None:
        self.domain = domain
        self.failing: Rcode | None = None
        self._dns_ip = dns_ip
        self._verify_pods = verify_pods
        self._outside = {_plain(name): place for name, place in (outside or {}).items()}
        self._registry = Registry()
        self._turns: dict[str, int] = {}

    def handle(self, event_type: EventType, obj: k8s.Object) -> None:
        """Apply a watch event of a Service, EndpointSlice or Pod; others are ignored."""
        self._registry.handle(event_type, obj)

    def endpoints(self, namespace: str, service: str) -> list[str]:
        """The addresses that a headless Service's name is answered with; none for any other."""
        entry = self._registry.services.get((namespace, service))
        if entry is None or not entry.is_headless:
            return []
        return [endpoint.ip for endpoint in self._registry.endpoints(entry.key)]

    def has_endpoint(self, namespace: str, service: str, ip: str) -> bool:
        """Whether `ip` is among `endpoints`, in constant time."""
        entry = self._registry.services.get((namespace, service))
        return entry is not None and entry.is_headless and self._registry.holds(entry.key, ip)

    def headless(self) -> list[tuple[str, str]]:
        """Namespace and name of every headless Service."""
        return [key for key, entry in self._registry.services.items() if entry.is_headless]

    # --- questions ---

    def answer(self, name: str, qtype: str, *, search: Sequence[str] | None = None) -> Answer:
        """The answer to one question, in DNS' own terms.

        Several addresses come in another order each time. With `search`, a name of fewer than
        five dots and no final one is tried below each of its domains first, and the first that
        exists is answered.
        """
        if self.failing is not None:
            return Answer(self.failing)
        for candidate in _candidates(name, search):
            found = self._answer(candidate, qtype)
            if found.rcode == "NOERROR":
                return found
        return found

    def resolve(self, name: str, namespace: str) -> list[str] | ExternalName | None:
        """Where a pod of `namespace` gets to by this name; None: it does not exist.

        Addresses are ClusterIPs, or endpoints of a headless Service, none while none is ready;
        ExternalName has the name that a chain of ExternalName Services ends with, or one of
        `outside`.
        """
        search = search_list(namespace, self.domain)
        found = self.answer(name, "A", search=search)
        if found.rcode != "NOERROR":
            # DNS says NXDOMAIN of both, but only one of them is somebody's spelling mistake.
            return [] if any(map(self._is_headless, _candidates(name, search))) else None
        owner = next((r.name for r in found.records if r.type == "A"), "")
        targets = [r.value for r in found.records if r.type == "CNAME"]
        if targets and (not owner or not self._is_ours(_plain(owner))):
            return ExternalName(_plain(targets[-1]))
        if owner and not self._is_ours(_plain(owner)):
            return ExternalName(_plain(owner))
        addresses = [r.value for r in found.records if r.type == "A"]
        return addresses or None

    def _answer(self, asked: str, qtype: str) -> Answer:
        name = _plain(asked)
        if name.endswith(f".{_REVERSE}") or name == _REVERSE:
            return self._finish(name, qtype, self._reverse(name), _REVERSE)
        if self._is_ours(name):
            return self._finish(name, qtype, self._forward(name, qtype), self.domain)
        if name in self._outside:
            return Answer("NOERROR", tuple(self._outside_records(name)) if qtype == "A" else ())
        return Answer("REFUSED")

    def _finish(self, name: str, qtype: str, records: list[Record] | None, zone: str) -> Answer:
        """Keep what was asked for; None: the name does not exist."""
        if records is None:
            return Answer("NXDOMAIN", authority=(self._soa(zone),))
        kept = [r for r in records if r.type == qtype or qtype == "ANY"]
        if not kept and qtype != "CNAME" and records and records[0].type == "CNAME":
            kept = [*records, *self._chase(records[0], qtype)]
        if not kept:
            return Answer("NOERROR", authority=(self._soa(zone),))
        additional = self._targets(kept) if qtype == "SRV" else ()
        return Answer("NOERROR", self._rotated(name, kept), additional=tuple(additional))

    def _chase(self, alias: Record, qtype: str) -> list[Record]:
        """The records behind an alias as far as we have them, as CoreDNS asks upstream."""
        out: list[Record] = []
        seen = {_plain(alias.name)}
        while len(seen) <= _CNAME_CHAIN_MAX and (name := _plain(alias.value)) not in seen:
            seen.add(name)
            if not self._is_ours(name):
                return out + [r for r in self._outside_records(name) if r.type == qtype]
            records = self._forward(name, qtype) or []
            if not records or records[0].type != "CNAME":
                return out + [r for r in records if r.type == qtype]
            alias = records[0]
            out.append(alias)
        return out

    def _rotated(self, name: str, records: list[Record]) -> tuple[Record, ...]:
        """The addresses in another order each time, aliases before them in theirs."""
        addresses = [r for r in records if r.type == "A"]
        if len(addresses) < 2:
            return tuple(records)
        if len(self._turns) > _ROTATIONS_MAX:
            self._turns.clear()
        turn = self._turns.get(name, 0)
        self._turns[name] = turn + 1
        cut = turn % len(addresses)
        rest = [r for r in records if r.type != "A"]
        return (*rest, *addresses[cut:], *addresses[:cut])

    # --- names of the zone ---

    def _is_ours(self, name: str) -> bool:
        return name == self.domain or name.endswith(f".{self.domain}")

    def _is_headless(self, asked: str) -> bool:
        """Whether this is the name of a headless Service."""
        name = _plain(asked)
        if not self._is_ours(name):
            return False
        match name[: -len(self.domain)].rstrip(".").split("."):
            case [service, namespace, "svc"]:
                entry = self._registry.services.get((namespace, service))
                return entry is not None and not (entry.cluster_ip or entry.external_name)
        return False

    def _forward(self, name: str, qtype: str) -> list[Record] | None:
        """Everything at a name of the zone, whatever its type; None: it does not exist."""
        labels = name[: -len(self.domain)].rstrip(".").split(".")
        match labels:
            case [""]:
                return [self._soa(self.domain), self._record(name, "NS", f"ns.dns.{self.domain}.")]
            case ["svc"] | ["pod"] | ["dns"]:
                return []
            case ["ns", "dns"]:
                return [self._record(name, "A", self._dns_ip)]
            case ["dns-version"]:
                return [self._record(name, "TXT", '"1.1.0"')]
            case [namespace, "svc" | "pod"]:
                return [] if self._registry.namespaces[namespace] > 0 else None
            case [dashed, namespace, "pod"]:
                return self._pod(name, dashed, namespace)
            case [*below, service, namespace, "svc"]:
                entry = self._registry.services.get((namespace, service))
                return None if entry is None else self._service(name, below, entry, qtype)
            case _:
                return None

    def _service(
        self, name: str, below: list[str], entry: ServiceEntry, qtype: str
    ) -> list[Record] | None:
        if entry.external_name:
            return None if below else [self._record(name, "CNAME", f"{entry.external_name}.")]
        match below:
            case []:
                return self._service_itself(name, entry, qtype)
            case [host]:
                return self._endpoint(name, host, entry)
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                wanted = (port[1:], protocol[1:])
                return self._srv(name, entry, wanted) or None
            case _:
                return None

    def _service_itself(self, name: str, entry: ServiceEntry, qtype: str) -> list[Record] | None:
        ips = [entry.cluster_ip] if entry.cluster_ip else self._ready_ips(entry)
        if not ips:
            return None  # a headless Service without ready endpoints does not exist
        records = [self._record(name, "A", ip) for ip in ips]
        return records + (self._srv(name, entry, None) if qtype in ("SRV", "ANY") else [])

    def _ready_ips(self, entry: ServiceEntry) -> list[str]:
        return list(dict.fromkeys(e.ip for e in self._registry.endpoints(entry.key)))

    def _endpoint(self, name: str, host: str, entry: ServiceEntry) -> list[Record] | None:
        """`hostname.subdomain` of a pod, or an address with dashes, below its Service."""
        endpoints = self._registry.endpoints(entry.key)
        ips = dict.fromkeys(e.ip for e in endpoints if e.host.lower() == host)
        return [self._record(name, "A", ip) for ip in ips] or None

    def _srv(self, name: str, entry: ServiceEntry, wanted: tuple[str, str] | None) -> list[Record]:
        """SRV records of one named port, or of all; weights share 100 among targets."""
        below = f"{entry.key[1]}.{entry.key[0]}.svc.{self.domain}."
        found: dict[tuple[int, str], None] = {}
        if entry.cluster_ip:
            for port in _named(entry.ports, wanted):
                found[port.number, below] = None
        else:
            for endpoint in self._registry.endpoints(entry.key):
                for port in _named(endpoint.ports, wanted):
                    found[port.number, f"{endpoint.host.lower()}.{below}"] = None
        if not found:
            return []
        weight = max(1, 100 // len(found))
        return [self._record(name, "SRV", f"0 {weight} {p} {target}") for p, target in found]

    def _targets(self, srv: Iterable[Record]) -> list[Record]:
        """The addresses of SRV targets, which spare the client a question."""
        names = dict.fromkeys(r.value.rsplit(" ", 1)[1] for r in srv if r.type == "SRV")
        found = (self._forward(_plain(name), "A") or [] for name in names)
        return [record for records in found for record in records if record.type == "A"]

    def _pod(self, name: str, dashed: str, namespace: str) -> list[Record] | None:
        try:
            ip = str(IPv4Address(dashed.replace("-", ".")))
        except AddressValueError:
            return None
        if self._verify_pods and not self._registry.has_pod(namespace, ip):
            return None
        return [self._record(name, "A", ip)]

    # --- other zones ---

    def _reverse(self, name: str) -> list[Record] | None:
        """The Service with this ClusterIP, or the headless Services that have the address."""
        if name == _REVERSE:
            return [self._soa(_REVERSE)]
        octets = name[: -len(_REVERSE) - 1].split(".")
        ip = ".".join(reversed(octets))
        if (service := self._registry.service_at(ip)) is not None:
            return [self._record(name, "PTR", self._service_name(service))]
        hosts = [
            f"{endpoint.host.lower()}.{self._service_name(headless)}"
            for headless, endpoint in self._registry.headless_at(ip)
        ]
        return [self._record(name, "PTR", host) for host in hosts] or None

    def _service_name(self, entry: ServiceEntry) -> str:
        return f"{entry.key[1]}.{entry.key[0]}.svc.{self.domain}."

    def _outside_records(self, name: str) -> list[Record]:
        """The declared address of a name beyond the cluster, if it is an IPv4 address."""
        host = self._outside.get(name, "").rpartition(":")[0]
        try:
            return [self._record(name, "A", str(IPv4Address(host)))]
        except AddressValueError:
            return []

    def _soa(self, zone: str) -> Record:
        timers = f"{self._registry.version} 7200 1800 86400 {TTL_S}"
        return Record(
            f"{zone}.", TTL_S, "SOA", f"ns.dns.{self.domain}. hostmaster.{self.domain}. {timers}"
        )

    def _record(self, name: str, type_: RecordType, value: str) -> Record:
        return Record(f"{name}.", TTL_S, type_, value)


def _named(ports: Iterable[Port], wanted: tuple[str, str] | None) -> list[Port]:
    """Named ports; of these the one asked for."""
    if wanted is None:
        return [p for p in ports if p.name]
    return [p for p in ports if p.name and (p.name.lower(), p.protocol) == wanted]


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _candidates(name: str, search: Sequence[str] | None) -> list[str]:
    if not search or name.endswith("."):
        return [name]
    expanded = [f"{name}.{domain}" for domain in search]
    return [*expanded, name] if name.count(".") < NDOTS else [name, *expanded]
