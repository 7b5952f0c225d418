"""Ctrl-C ends a run, and never what must come to its end."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from emucluster.client.experiments.interrupts import Interrupts, held_off


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_raises_and_later_ones_only_count() -> None:
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
        ctrl_c()
        os.kill(os.getpid(), signal.SIGTERM)
    assert interrupts.count == 3


def test_one_that_comes_in_the_midst_of_what_must_end_raises_at_its_end() -> None:
    done: list[str] = []
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it is raised is the matter
            with held_off():
                with held_off():
                    ctrl_c()
                    done.append("inner")
                done.append("outer")
            done.append("never")
        with held_off():
            ctrl_c()  # the second
            done.append("later")
    assert done == ["inner", "outer", "later"]


def test_an_error_is_not_replaced_by_the_interrupt_that_came_with_it() -> None:
    def interrupted_and_broken() -> None:
        with held_off():
            ctrl_c()
            raise ValueError("broken")

    with Interrupts(), pytest.raises(ValueError, match="broken"):
        interrupted_and_broken()


def test_elsewhere_than_in_a_run_nothing_is_held_off() -> None:
    with held_off():
        pass
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            with Interrupts(), held_off():
                pass
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert raised == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
