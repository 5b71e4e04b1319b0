"""The command `batonmq`, by its script and as `python -m batonmq`."""

from __future__ import annotations

import signal
import sys
from types import TracebackType

# Before it runs, a command has nothing to clean up, so Ctrl-C ends the process at once, without a traceback from an
# import. If SIGINT is ignored, as a shell does for background processes, it stays ignored.
_takes_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _takes_interrupts:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from batonmq.cli import main as command  # noqa: E402

__all__ = ["main"]


def main() -> None:
    """Run the command and exit. After Ctrl-C the process dies of that signal, so that a shell's loop ends, too."""
    if _takes_interrupts:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command()
    except KeyboardInterrupt:
        # The interpreter cleans up, and then sends the signal to itself.
        sys.excepthook = _say_nothing
        raise
    finally:
        if _takes_interrupts:
            # A second signal does not wait for the clean-up.
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def _say_nothing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print no traceback: the hook for uncaught exceptions after Ctrl-C."""


if __name__ == "__main__":
    main()
