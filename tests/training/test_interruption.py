from __future__ import annotations

import os
import signal

from unrolled.training.interruption import deferred


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told: list[str] = []
    try:
        with deferred(told.append) as noted:
            os.kill(os.getpid(), signal.SIGHUP)
            assert noted.signal is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert noted.signal == signal.SIGTERM
        assert len(told) == 1
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
