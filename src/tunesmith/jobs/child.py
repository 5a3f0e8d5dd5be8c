"""`python -m tunesmith.jobs.child VERB …`: the command line, in a process that does not outlive whoever started it.

Whoever started it holds the other end of its stdin. When that end closes, however its owner ended, the process asks
itself to stop: as by any SIGTERM, the step is finished and saved.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading
import time
from contextlib import suppress

STDIN = 0
GRACE_SECONDS = 600  # the longest step and save that are waited for


def main() -> None:
    """Run the command line of `sys.argv`."""
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module("tunesmith", run_name="__main__", alter_sys=True)


def _watch() -> None:
    with suppress(OSError):
        while os.read(STDIN, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
