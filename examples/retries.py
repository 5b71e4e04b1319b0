"""A worker with retries: what fails is tried three times, a little later each time, and then set aside for people.

python examples/retries.py parcels.db
"""

from __future__ import annotations

import sys
import threading

import batonmq


def ship(delivery: batonmq.Delivery) -> None:
    """What is done with a parcel; an exception has it tried again."""
    parcel = delivery.message.text
    if parcel == "vase":
        print("vase: it is broken", flush=True)
        raise ValueError("it is broken")
    print(f"{parcel}: on its way", flush=True)


def main() -> None:
    """Send, work, and look at what was set aside."""
    stop = threading.Event()
    with batonmq.connect(sys.argv[1]) as mq:
        mq.declare("parcels", dead_letter="parcels.broken")
        mq.send_many("parcels", [b"book", b"vase", b"lamp"])
        worker = threading.Thread(
            target=mq.run, args=("parcels", ship), kwargs={"attempts": 3, "backoff": 0.1, "stop": stop}
        )
        worker.start()
        with mq.receiver("parcels.broken") as broken, next(broken) as delivery:
            print(f"set aside: {delivery.message.text}", flush=True)
        stop.set()
        worker.join()


if __name__ == "__main__":
    main()
