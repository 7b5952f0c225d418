"""Endpoints. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateEndpoints."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from emucluster.core.addresses import POD_RANGE
from emucluster.core.errors import Cause
from emucluster.core.objects import EndpointAddress, Endpoints, EndpointsPort, EndpointSubset

from .fields import invalid, one_of, required
from .names import dns1123_label, ip, port_number, qualified_name, special_ip
from .services import PROTOCOLS

PODS = IPv4Network(POD_RANGE)


def endpoints(obj: Endpoints) -> list[Cause]:
    return [
        cause
        for index, subset in enumerate(obj.subsets)
        for cause in _subset(f"subsets[{index}]", subset)
    ]


def _subset(path: str, subset: EndpointSubset) -> Iterator[Cause]:
    if not subset.addresses and not subset.not_ready_addresses:
        yield required(path, "must specify `addresses` or `notReadyAddresses`")
    for field, addresses in (
        ("addresses", subset.addresses),
        ("notReadyAddresses", subset.not_ready_addresses),
    ):
        for index, address in enumerate(addresses):
            yield from _address(f"{path}.{field}[{index}]", address)
    for index, port in enumerate(subset.ports):
        yield from _port(f"{path}.ports[{index}]", port, named=len(subset.ports) > 1)


def _address(path: str, address: EndpointAddress) -> Iterator[Cause]:
    for text in ip(address.ip) or special_ip(address.ip, allowed=PODS):
        yield invalid(f"{path}.ip", address.ip, text)
    if address.hostname:
        for text in dns1123_label(address.hostname):
            yield invalid(f"{path}.hostname", address.hostname, text)


def _port(path: str, port: EndpointsPort, *, named: bool) -> Iterator[Cause]:
    if named and not port.name:
        yield required(f"{path}.name")
    elif port.name:
        for text in dns1123_label(port.name):
            yield invalid(f"{path}.name", port.name, text)
    for text in port_number(port.port):
        yield invalid(f"{path}.port", port.port, text)
    yield from one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
    for text in qualified_name(port.app_protocol) if port.app_protocol else ():
        yield invalid(f"{path}.appProtocol", port.app_protocol, text)
