"""EndpointSlices. Source: kubernetes/kubernetes pkg/apis/discovery/validation.

Differs: loopback addresses of the range in which this cluster's pods live are ordinary addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from emucluster.core.addresses import POD_RANGE
from emucluster.core.errors import Cause
from emucluster.core.objects import Endpoint, EndpointSlice

from .fields import duplicate, immutable, invalid, one_of, required, too_many
from .names import dns1123_label, dns1123_subdomain, parse_ip, qualified_name, special_ip
from .services import PROTOCOLS

ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
ENDPOINTS_MAX, PORTS_MAX, ADDRESSES_MAX = 1000, 100, 100
PODS = IPv4Network(POD_RANGE)


def endpoint_slice(obj: EndpointSlice) -> list[Cause]:
    causes = one_of("addressType", obj.address_type, ADDRESS_TYPES)
    if len(obj.endpoints) > ENDPOINTS_MAX:
        causes.append(too_many("endpoints", len(obj.endpoints), ENDPOINTS_MAX))
    else:
        for index, endpoint in enumerate(obj.endpoints):
            causes += _endpoint(f"endpoints[{index}]", endpoint, obj.address_type)
    return causes + list(_ports(obj))


def endpoint_slice_update(new: EndpointSlice, old: EndpointSlice) -> list[Cause]:
    fixed = immutable("addressType", new.address_type, old.address_type)
    return endpoint_slice(new) + fixed


def _endpoint(path: str, endpoint: Endpoint, address_type: str) -> Iterator[Cause]:
    below = f"{path}.addresses"
    if not endpoint.addresses:
        yield required(below, "must contain at least 1 address")
    elif len(endpoint.addresses) > ADDRESSES_MAX:
        yield too_many(below, len(endpoint.addresses), ADDRESSES_MAX)
    for index, address in enumerate(endpoint.addresses):
        for text in _address(address, address_type):
            yield invalid(f"{below}[{index}]", address, text)
    if endpoint.hostname is not None:
        for text in dns1123_label(endpoint.hostname):
            yield invalid(f"{path}.hostname", endpoint.hostname, text)


def _address(address: str, address_type: str) -> tuple[str, ...]:
    if address_type == "FQDN":
        labels = address.removesuffix(".").split(".")
        if len(labels) < 2:
            return ("should be a domain with at least two segments separated by dots",)
        return dns1123_subdomain(address.removesuffix("."))
    version = {"IPv4": 4, "IPv6": 6}.get(address_type)
    parsed = parse_ip(address)
    if version is not None and (parsed is None or parsed.version != version):
        return (f"must be a valid {address_type} address",)
    return special_ip(address, allowed=PODS) if version else ()


def _ports(obj: EndpointSlice) -> Iterator[Cause]:
    if len(obj.ports) > PORTS_MAX:
        yield too_many("ports", len(obj.ports), PORTS_MAX)
        return
    seen: set[str] = set()
    for index, port in enumerate(obj.ports):
        path, name = f"ports[{index}]", port.name or ""
        if name:
            for text in dns1123_label(name):
                yield invalid(f"{path}.name", name, text)
        if name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)
        yield from one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
        for text in qualified_name(port.app_protocol) if port.app_protocol else ():
            yield invalid(f"{path}.appProtocol", port.app_protocol, text)
