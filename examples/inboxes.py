"""Notifications: each user has an inbox, where he finds what was said of the topics that he follows.

python examples/inboxes.py inboxes.db
"""

from __future__ import annotations

import sys
import threading

import batonmq

FOLLOWERS = {"shipping": ("ann",), "alerts": ("ann", "bob"), "closing": ("ann", "bob")}


def notify(mq: batonmq.Connection, topic: str, text: str) -> None:
    """Tell all who follow a topic; when this returns, it is in their inboxes."""
    for user in FOLLOWERS[topic]:
        mq.send(f"inbox.{user}", text.encode(), type=topic)


def read(url: str, user: str) -> None:
    """Show a user what is in his inbox, and what comes, until the closing hour."""
    with batonmq.connect(url) as mq, mq.receiver(f"inbox.{user}") as inbox:
        for delivery in inbox:
            with delivery:
                print(f"{user}: {delivery.message.text}", flush=True)
                if delivery.message.type == "closing":
                    return


def main() -> None:
    """Notify two users, one of whom reads later."""
    url = sys.argv[1]
    with batonmq.connect(url) as mq:
        for user in ("ann", "bob"):
            mq.declare(f"inbox.{user}")
        ann = threading.Thread(target=read, args=(url, "ann"))
        ann.start()
        notify(mq, "shipping", "order 17 is on its way")
        notify(mq, "alerts", "the disk is full")
        notify(mq, "closing", "good night")
        read(url, "bob")
        ann.join()


if __name__ == "__main__":
    main()
