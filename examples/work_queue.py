"""A work queue in a file: sends ten orders and works on them in four threads until Ctrl-C.

python examples/work_queue.py orders.db
"""

from __future__ import annotations

import logging
import sys

import batonmq

log = logging.getLogger("orders")


def handle(delivery: batonmq.Delivery) -> None:
    """What is done with an order; an exception has it tried again."""
    order = delivery.message.json(dict[str, int])
    log.info("order %d, attempt %d", order["number"], delivery.delivery_count)


def main() -> None:
    """Send, then work."""
    # Four threads report: logging keeps their lines apart, where print would mix them.
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    with batonmq.connect(sys.argv[1]) as mq:
        mq.declare("orders", dead_letter="orders.dead")
        for number in range(10):
            mq.send_json("orders", {"number": number})
        mq.run("orders", handle, concurrency=4, attempts=5)


if __name__ == "__main__":
    main()
