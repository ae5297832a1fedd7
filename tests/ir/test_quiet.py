"""Ctrl-C while coremltools is imported is not lost."""

from __future__ import annotations

import importlib
import signal
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest
from milopt.ir import quiet


def test_an_interrupt_waits_until_the_end() -> None:
    steps, before = [], signal.getsignal(signal.SIGINT)

    def interrupted() -> None:
        with quiet.interrupts_held():
            signal.raise_signal(signal.SIGINT)
            steps.append("went on")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is before


def test_without_an_interrupt_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with quiet.interrupts_held():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_ignored_interrupts_stay_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with quiet.interrupts_held():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_change_nothing() -> None:
    found: list[Any] = []

    def hold() -> None:
        with quiet.interrupts_held():
            found.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=hold)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


def test_an_import_that_swallows_interrupts_does_not_lose_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallowing(name: str) -> None:
        assert name == "coremltools"
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(importlib, "import_module", swallowing)
    with pytest.raises(KeyboardInterrupt):
        importlib.reload(quiet)
