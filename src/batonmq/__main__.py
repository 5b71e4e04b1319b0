"""The command `batonmq`, by its script and as `python -m batonmq`."""

from __future__ import annotations

import signal
import sys
from types import TracebackType

# Until it runs, a command has nothing to put in order: Ctrl-C ends the process as the system would, and no traceback
# tells how far its imports were. A shell that has it ignored, as for what it starts in the background, is obeyed.
_takes_interrupts = signal.getsignal(signal.SIGINT) is signal.default_int_handler
if _takes_interrupts:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from batonmq.cli import main as command  # noqa: E402

__all__ = ["main"]


def main() -> None:
    """Run the command and exit. One that Ctrl-C has ended leaves by that signal, as a shell's loop has to know."""
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
    """In place of a traceback."""


if __name__ == "__main__":
    main()
