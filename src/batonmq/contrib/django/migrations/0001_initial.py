"""Tasks with their results, and the outbox."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("queue", models.CharField(max_length=255)),
                ("message_id", models.CharField(max_length=255)),
                ("properties", models.BinaryField()),
                ("body", models.BinaryField()),
                ("delay", models.FloatField()),
                ("created_at", models.FloatField()),
            ],
            options={
                "db_table": "batonmq_outbox",
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.CharField(editable=False, max_length=64, primary_key=True, serialize=False)),
                ("backend", models.CharField(max_length=64)),
                ("queue_name", models.CharField(max_length=255, verbose_name="queue")),
                ("task_path", models.CharField(max_length=255, verbose_name="task")),
                ("priority", models.SmallIntegerField(default=0)),
                ("args", models.JSONField(default=list, verbose_name="arguments")),
                ("kwargs", models.JSONField(default=dict, verbose_name="keyword arguments")),
                ("run_after", models.DateTimeField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("READY", "Ready"),
                            ("RUNNING", "Running"),
                            ("FAILED", "Failed"),
                            ("SUCCESSFUL", "Successful"),
                        ],
                        default="READY",
                        max_length=10,
                    ),
                ),
                ("enqueued_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                ("last_attempted_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("worker_ids", models.JSONField(default=list, verbose_name="workers")),
                ("errors", models.JSONField(default=list)),
                ("return_value", models.JSONField(null=True)),
                ("message_id", models.CharField(default="", max_length=255)),
                ("version", models.PositiveIntegerField(default=0)),
            ],
            options={
                "db_table": "batonmq_task",
                "ordering": ("-enqueued_at",),
                "indexes": [
                    models.Index(fields=["status", "-enqueued_at"], name="batonmq_task_status"),
                    models.Index(fields=["-enqueued_at"], name="batonmq_task_enqueued"),
                ],
            },
        ),
    ]
