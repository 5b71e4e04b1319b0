"""Prints what has come for a user since he was last here.

python pull.py ann
"""

from __future__ import annotations

import argparse
import sys

from notifications import connect, pull
from pika.exceptions import ChannelClosedByBroker


def main() -> int:
    """Pull."""
    parser = argparse.ArgumentParser(description="Prints what has come for a user.")
    parser.add_argument("user")
    said = parser.parse_args()
    try:
        with connect() as channel:
            for kind, text in pull(channel, said.user):
                print(f"{kind}: {text}", flush=True)
    except ChannelClosedByBroker:
        print(f"{said.user} follows nothing", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
