"""A stop is asked for by a signal and read as a flag."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tunesmith.errors import Busy
from tunesmith.runs import signals


def test_nothing_is_asked_for_until_a_signal_comes() -> None:
    with signals.listening() as stop:
        assert (stop.requested, stop.by) == (False, "")


@pytest.mark.parametrize("number", signals.ASKING)
def test_a_signal_raises_the_flag_and_lets_the_work_go_on(number: signal.Signals) -> None:
    with signals.listening() as stop:
        os.kill(os.getpid(), number)
        assert (stop.requested, stop.by) == (True, number.name)


def test_a_second_interrupt_stops_at_once() -> None:
    with signals.listening() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested


def test_a_second_sigterm_asks_for_nothing_more() -> None:
    with signals.listening() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested


def test_the_handlers_that_stood_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(ValueError, match="x"), signals.listening():
        assert signal.getsignal(signal.SIGTERM) not in before
        raise ValueError("x")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_outside_the_main_thread_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with signals.listening() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


@pytest.mark.parametrize("number", signals.ASKING)
def test_where_there_is_nothing_to_save_a_signal_ends_the_work_at_once(number: signal.Signals) -> None:
    with pytest.raises(Busy, match=f"stopped by {number.name} before the first step"), signals.at_once():
        os.kill(os.getpid(), number)
        pytest.fail("it went on")


def test_inside_what_ends_at_once_a_listener_takes_over() -> None:
    with signals.at_once(), signals.listening() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested


def test_a_hang_up_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.at_once(), signals.listening() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_request_is_told_when_it_comes_and_once() -> None:
    told: list[str] = []
    with signals.listening(told.append) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert (told, stop.by) == (["SIGTERM"], "SIGINT")
