"""`manage.py order`: place an order, and wait until it is confirmed."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orders.services import place


class Command(BaseCommand):
    """What a page would do, for the terminal."""

    help = "Place an order for CUSTOMER, and wait until a worker has confirmed it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, and how many."""
        parser.add_argument("customer")
        parser.add_argument("count", type=int)

    def handle(self, *args: object, **options: Any) -> None:  # noqa: ANN401
        """Place it, and look at it until the worker was there."""
        order = place(options["customer"], options["count"])
        for _ in range(600):
            order.refresh_from_db()
            if order.confirmed:
                self.stdout.write(f"order {order.pk} of {order.customer}: {order.confirmed} confirmed")
                return
            time.sleep(0.1)
        raise CommandError("no worker has confirmed it in a minute: start one with celery -A shop worker")
