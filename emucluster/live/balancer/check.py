"""Carries out one health check, through the very kind of socket that traffic uses."""

from emucluster.core.cloudlb.commands import ProbeResult, SendProbe
from emucluster.live.network import probe
from emucluster.live.network.dialer import DialError, TimedOut
from emucluster.live.network.probe import Dial
from emucluster.live.network.sockets import Address

OK = frozenset({200})
"""GCP and Azure take HTTP 200 alone for healthy."""


async def check(command: SendProbe, address: Address, *, source: str, dial: Dial) -> ProbeResult:
    """Connect by `dial` (and GET, for http) within the command's limits. Never raises."""
    if command.protocol == "http":
        return await _http(command, address, source, dial)
    try:
        sock = await dial(address, source=source, timeout_s=command.connect_timeout_s)
    except TimedOut:
        return "timeout"
    except (DialError, OSError):
        return "refused"
    sock.close()
    return "passed"


async def _http(command: SendProbe, address: Address, source: str, dial: Dial) -> ProbeResult:
    verdict = await probe.http(
        address, command.path, source=source, timeout_s=command.timeout_s, expect=OK, dial=dial
    )
    if verdict.passed:
        return "passed"
    if "statuscode" in verdict.reason:
        return "bad-status"
    late = "deadline exceeded" in verdict.reason or "i/o timeout" in verdict.reason
    return "timeout" if late else "refused"
