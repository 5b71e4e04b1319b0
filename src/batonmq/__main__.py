"""`python -m batonmq` is the command `batonmq`."""

from __future__ import annotations

from batonmq.cli import main

if __name__ == "__main__":
    main()
