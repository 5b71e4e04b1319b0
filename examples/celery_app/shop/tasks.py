"""What the shop leaves to Celery."""

from __future__ import annotations

import os
import signal

from celery import Task

from shop.app import app

__all__ = ["charge", "receipt", "scale"]


class OutOfReach(Exception):
    """The card company does not answer."""


@app.task(bind=True, autoretry_for=(OutOfReach,), retry_backoff=1, retry_jitter=False, max_retries=5)
def charge(task: Task, order: int, cents: int) -> dict[str, int]:
    """Charge a card; tried again after 1, 2, 4 ... seconds when the card company is out of reach."""
    if task.request.retries == 0:
        # It always is at first, for the sake of the example.
        raise OutOfReach
    return {"order": order, "cents": cents}


@app.task
def receipt(charged: dict[str, int], address: str) -> str:
    """What is done when the card was charged."""
    return f"receipt for order {charged['order']}: {charged['cents']} cents, to {address}"


@app.task
def scale(picture: str) -> None:
    """Make a picture smaller. It takes too much memory, and the system kills the process."""
    print(f"scales {picture}")
    os.kill(os.getpid(), signal.SIGKILL)
