"""Tasks with their results, and the outbox."""

from __future__ import annotations

import json
from datetime import timedelta

from django.db import models
from django.utils import timezone

from batonmq.api.outbox.table import TABLE

__all__ = ["OutboxMessage", "Task"]


class Task(models.Model):
    """An enqueued task: what it calls, its status and its result."""

    class Status(models.TextChoices):
        """The values of Django's TaskResultStatus."""

        READY = "READY", "Ready"
        RUNNING = "RUNNING", "Running"
        FAILED = "FAILED", "Failed"
        SUCCESSFUL = "SUCCESSFUL", "Successful"

    id = models.CharField(primary_key=True, max_length=64, editable=False)
    backend = models.CharField(max_length=64)
    queue_name = models.CharField("queue", max_length=255)
    task_path = models.CharField("task", max_length=255)
    priority = models.SmallIntegerField(default=0)
    args = models.JSONField("arguments", default=list)
    kwargs = models.JSONField("keyword arguments", default=dict)
    run_after = models.DateTimeField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.READY)
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    last_attempted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # The workers of each attempt, and what went wrong: {"exception_class_path": ..., "traceback": ...}.
    worker_ids = models.JSONField("workers", default=list)
    errors = models.JSONField(default=list)
    return_value = models.JSONField(null=True)
    # The message that runs the task, and the version of the row, counted up by each change.
    message_id = models.CharField(max_length=255, default="")
    version = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "batonmq_task"
        ordering = ("-enqueued_at",)
        indexes = (
            models.Index(fields=["status", "-enqueued_at"], name="batonmq_task_status"),
            models.Index(fields=["-enqueued_at"], name="batonmq_task_enqueued"),
        )

    def __str__(self) -> str:
        return f"{self.task_path} ({self.id})"

    def change(self, database: str, **changes: object) -> bool:
        """Update the row and this object; False: somebody else has changed the row since it was read."""
        rows = type(self).objects.using(database).filter(pk=self.pk, version=self.version)
        if not rows.update(version=self.version + 1, **changes):
            return False
        self.version += 1
        for name, value in changes.items():
            setattr(self, name, value)
        return True

    @property
    def attempts(self) -> int:
        """How often the task was started."""
        return len(self.worker_ids)

    @property
    def duration(self) -> timedelta | None:
        """How long the last attempt took."""
        if self.last_attempted_at is None or self.finished_at is None:
            return None
        lasted: timedelta = self.finished_at - self.last_attempted_at
        return lasted

    @property
    def call(self) -> str:
        """The arguments, as in a call."""
        words = [json.dumps(value) for value in self.args]
        return ", ".join(words + [f"{name}={json.dumps(value)}" for name, value in self.kwargs.items()])

    @property
    def is_late(self) -> bool:
        """Is the task ready, and overdue by a minute or more?"""
        due = self.run_after or self.enqueued_at
        return self.status == self.Status.READY and bool(due < timezone.now() - timedelta(minutes=1))


class OutboxMessage(models.Model):
    """A message that was committed with the rows of its transaction and will be sent: docs/outbox.md."""

    id = models.BigAutoField(primary_key=True)
    queue = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255)
    properties = models.BinaryField()
    body = models.BinaryField()
    delay = models.FloatField()
    created_at = models.FloatField()

    class Meta:
        db_table = TABLE
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.message_id} to {self.queue}"
