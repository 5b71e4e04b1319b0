"""Has topics come to a user, or with --not no longer.

python follow.py ann 'order.*' 'alert.#'
python follow.py --not ann 'order.*'
"""

from __future__ import annotations

import argparse

from notifications import connect, follow, unfollow


def main() -> None:
    """Follow."""
    parser = argparse.ArgumentParser(description="Has topics come to a user.")
    parser.add_argument("user")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="* stands for one word, # for any number")
    parser.add_argument("--not", dest="no_longer", action="store_true", help="these no longer")
    said = parser.parse_args()
    with connect() as channel:
        (unfollow if said.no_longer else follow)(channel, said.user, *said.topics)


if __name__ == "__main__":
    main()
