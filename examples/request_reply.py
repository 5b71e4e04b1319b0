"""Request and reply: a thread that answers, and a program that asks it.

python examples/request_reply.py memory:prices
"""

from __future__ import annotations

import sys
import threading

import batonmq


def answer(url: str) -> None:
    """Take one request and answer it."""
    with batonmq.connect(url) as mq, mq.receiver("prices") as receiver, next(receiver) as delivery:
        mq.reply(delivery, b"4.20 for article " + delivery.body)


def main() -> None:
    """Ask."""
    url = sys.argv[1]
    with batonmq.connect(url) as mq:
        mq.declare("prices")
        thread = threading.Thread(target=answer, args=(url,))
        thread.start()
        print(mq.request("prices", b"17", timeout=5).text)
        thread.join()


if __name__ == "__main__":
    main()
