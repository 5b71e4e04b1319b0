"""manage.py batonmq_purge"""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router
from django.utils import timezone

from batonmq.contrib.django.models import Task


class Command(BaseCommand):
    """Deletes results that are no longer needed."""

    help = "Delete tasks that have finished some days ago, with their results."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The arguments of the command."""
        parser.add_argument(
            "--days",
            type=float,
            default=7.0,
            metavar="N",
            help="Only tasks that finished at least N days ago. Default: 7",
        )
        parser.add_argument(
            "--status",
            choices=("SUCCESSFUL", "FAILED"),
            action="append",
            help="Only tasks with this status. Default: both",
        )
        parser.add_argument("--database", help="The database, as DATABASES names it. Default: as the routers say")
        parser.add_argument("--dry-run", action="store_true", help="Only print how many there are")

    def handle(self, *_: Any, **options: Any) -> None:  # noqa: ANN401
        """Delete the results."""
        if options["days"] < 0:
            raise CommandError(f"--days is 0 or more, not {options['days']:g}")
        rows = Task.objects.using(options["database"] or router.db_for_write(Task)).filter(
            status__in=options["status"] or ["SUCCESSFUL", "FAILED"],
            finished_at__lte=timezone.now() - timedelta(days=options["days"]),
        )
        count = rows.count() if options["dry_run"] else rows.delete()[0]
        self.stdout.write(f"{count:,} tasks {'would be ' if options['dry_run'] else ''}deleted")
