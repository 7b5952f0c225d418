"""Lifts everything that a trial put in force, and sees that it is lifted."""

from __future__ import annotations

import time
from collections.abc import Callable

from emucluster.client.experiments.driver import FaultDriver
from emucluster.core.errors import EmuclusterError

TICK_S = 0.05
ROLLBACK_S = 20.0
"""Until every target must have been seen without faults; after that the run is not clean."""


def roll_back(
    driver: FaultDriver,
    *,
    left: Callable[[], list[str]],
    gone: Callable[[], str],
    clock: Callable[[], float],
    waits: bool,
) -> list[str]:
    """What is left in force, in words; empty: nothing.

    Args:
        left: faults of the run that the cluster still tells of, and who does not tell. Raises
            EmuclusterError.
        gone: why there is no cluster any more; empty: there is. With it, all is gone at once.
        clock: the driver's.
        waits: for others than the targets to see that all is over.
    """
    driver.stop()
    found = _until_clean(driver, left, gone)
    # Others than the targets look once more, now that there is no load either.
    while waits and not gone() and driver.ledger.may_yet_be_seen_over(now_s=clock()):
        driver.step()
        time.sleep(TICK_S)
    driver.finish()
    return found


def _until_clean(
    driver: FaultDriver, left: Callable[[], list[str]], gone: Callable[[], str]
) -> list[str]:
    end_s = time.monotonic() + ROLLBACK_S
    found: list[str] = []
    while True:
        if why := gone():
            return [why]
        driver.step()
        if driver.ledger.is_clean:
            found = _asked(left)
            if not found:
                return []
        if time.monotonic() >= end_s:
            return found or ["not every target was seen without its faults"]
        time.sleep(TICK_S)


def _asked(left: Callable[[], list[str]]) -> list[str]:
    try:
        return left()
    except EmuclusterError as error:
        return [str(error)]
