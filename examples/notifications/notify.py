"""Tells all who follow a kind of notification, or one user.

python notify.py order.shipped "Order 17 is on its way"
python notify.py --to ann mention "Bob asks for you"
"""

from __future__ import annotations

import argparse

from notifications import connect, notify


def main() -> None:
    """Notify."""
    parser = argparse.ArgumentParser(description="Tells all who follow a kind of notification, or one user.")
    parser.add_argument("kind", help="words with dots between, from the general to the special: order.shipped")
    parser.add_argument("text")
    parser.add_argument("--to", metavar="USER", help="only this user")
    said = parser.parse_args()
    with connect() as channel:
        notify(channel, said.kind, said.text, said.to)


if __name__ == "__main__":
    main()
