"""What the machine room observes, as records of an experiment's history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emucluster.client.connection import Stream
from emucluster.experiment.history import BeliefRecord, TruthRecord

DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Observed:
    """Some of what is so and what is believed, in the order in which it was told.

    Attributes:
        truths: of a pod that exists no more, `down` with `why` `deleted`.
        state_done: with this batch, everything that is so now has been told; what comes are
            changes.
        silent: machines that did not tell their present state in time; in the same batch.
    """

    truths: tuple[TruthRecord, ...]
    beliefs: tuple[BeliefRecord, ...]
    state_done: bool
    silent: tuple[str, ...]


class Observations(Iterator[Observed]):
    """Batches as they come, read in one thread; `close`, from any thread, ends them."""

    def __init__(self, batches: Stream) -> None:
        self._batches = batches

    def __next__(self) -> Observed:
        """Raises Unreachable when the keeper is gone."""
        return observed_of(next(self._batches))

    def close(self) -> None:
        self._batches.close()


def observed_of(batch: Any) -> Observed:
    """The typed form of the message that crosses processes."""
    return Observed(
        truths=tuple(_truth(each) for each in batch.observations if each.truth),
        beliefs=tuple(_belief(each) for each in batch.observations if not each.truth),
        state_done=batch.state_done,
        silent=tuple(batch.silent),
    )


def _truth(observation: Any) -> TruthRecord:
    gone = observation.state == "gone"
    return TruthRecord(
        at_s=observation.at_s,
        subject=observation.subject,
        state="down" if gone else observation.state,
        why=DELETED if gone else observation.word,
        node=observation.node,
        zone=observation.zone,
        services=tuple(observation.services),
    )


def _belief(observation: Any) -> BeliefRecord:
    return BeliefRecord(
        at_s=observation.at_s,
        observer=observation.observer,
        where=observation.where,
        subject=observation.subject,
        state=observation.state,
        service=observation.service,
        word=observation.word,
    )
