"""Pages of Django's admin: tasks, which can be retried and purged, and what waits in the outbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from batonmq.contrib.django.backend import BatonBackend
from batonmq.contrib.django.compat import InvalidTask, task_backends
from batonmq.contrib.django.models import OutboxMessage, Task
from batonmq.contrib.django.sending import retry
from batonmq.errors import BatonError

__all__ = ["OutboxAdmin", "TaskAdmin"]

COLOURS = {"READY": "#666", "RUNNING": "#1c6ea4", "FAILED": "#ba2121", "SUCCESSFUL": "#3a7d28"}


class ReadOnly(admin.ModelAdmin):
    """A read-only page: nothing here is written by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are not added by hand."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """Every field that is shown."""
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]


@admin.register(Task)
class TaskAdmin(ReadOnly):
    """Tasks: their status and results, with buttons to retry and to purge them."""

    list_display = ("task_path", "shown_status", "queue_name", "priority", "attempts", "enqueued_at", "shown_duration")
    list_filter = ("status", "queue_name", "backend", "task_path")
    search_fields = ("id", "task_path")
    actions = ("retry_selected", "delete_selected")
    fieldsets = (
        (None, {"fields": ("id", "task_path", "call", "shown_status", "shown_return_value")}),
        ("How it is run", {"fields": ("backend", "queue_name", "priority", "run_after", "workers")}),
        ("When", {"fields": ("enqueued_at", "started_at", "last_attempted_at", "finished_at", "shown_duration")}),
        ("Errors", {"fields": ("tracebacks",)}),
    )

    @admin.display(description="status", ordering="status")
    def shown_status(self, task: Task) -> SafeString:
        """The status in its colour, and whether the task is overdue."""
        late = " - late: does a worker run?" if task.is_late else ""
        return format_html(
            '<b style="color: {}">{}</b>{}', COLOURS.get(task.status, "inherit"), task.get_status_display(), late
        )

    @admin.display(description="duration")
    def shown_duration(self, task: Task) -> str:
        """How long the last attempt took, in seconds."""
        return "-" if task.duration is None else f"{task.duration.total_seconds():,.3f} s"

    @admin.display(description="return value")
    def shown_return_value(self, task: Task) -> str:
        """The result, if there is one."""
        return repr(task.return_value) if task.status == Task.Status.SUCCESSFUL else "-"

    @admin.display(description="workers")
    def workers(self, task: Task) -> str:
        """The workers, one for each attempt."""
        return ", ".join(task.worker_ids) or "-"

    @admin.display(description="tracebacks")
    def tracebacks(self, task: Task) -> str:
        """The errors, the latest first."""
        if not task.errors:
            return "-"
        return format_html_join(
            "",
            '<b>{}</b><pre style="white-space: pre-wrap; margin: 0 0 1em">{}</pre>',
            ((error["exception_class_path"], error["traceback"]) for error in reversed(task.errors)),
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a title of its own."""
        return super().changelist_view(request, {"title": "Tasks", **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The task, under a title of its own: nothing is changed here."""
        return super().change_view(request, object_id, form_url, {"title": "Task", **(extra_context or {})})

    @admin.display(description="arguments")
    def call(self, task: Task) -> str:
        """The arguments, as in a call."""
        return task.call or "-"

    # ------------------------------------------------------------------ once more

    def get_urls(self) -> list[URLPattern]:
        """The URLs, with that of the button."""
        view = self.admin_site.admin_view(self.retry_view)
        urls: list[URLPattern] = super().get_urls()
        return [path("<path:object_id>/retry/", view, name="batonmq_task_retry"), *urls]

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button of a task's page."""
        task = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method != "POST" or not self.has_change_permission(request, task):
            raise PermissionDenied
        if self._retry(request, task):
            self.message_user(request, f"Task {task} will be run again.", messages.SUCCESS)
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:batonmq_task_change", args=[task.pk]))

    @admin.action(description="Retry selected tasks", permissions=["change"])
    def retry_selected(self, request: HttpRequest, tasks: Any) -> None:  # noqa: ANN401
        """Running tasks are left alone; a button on their page retries them."""
        ready = list(tasks.exclude(status=Task.Status.RUNNING))
        running = tasks.filter(status=Task.Status.RUNNING).count()
        done = sum(self._retry(request, task) for task in ready)
        if done:
            self.message_user(request, f"{done} tasks will be run again.", messages.SUCCESS)
        if running:
            self.message_user(request, f"{running} tasks are running, and were left alone.", messages.WARNING)

    def _retry(self, request: HttpRequest, task: Task) -> bool:
        try:
            backend = task_backends[task.backend]
            if not isinstance(backend, BatonBackend):
                raise ImproperlyConfigured(f"TASKS[{task.backend!r}] is no BatonBackend any more")
            if retry(backend.route(task.queue_name), task):
                return True
            self.message_user(request, f"{task} has changed meanwhile.", messages.WARNING)
        except (BatonError, ImproperlyConfigured, InvalidTask) as error:
            self.message_user(request, f"{task} cannot be retried: {error}", messages.ERROR)
        return False

    # ------------------------------------------------------------------ away

    # Django's own action under another label: its page of confirmation asks for it by this name.
    @admin.action(description="Purge selected tasks", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, tasks: Any) -> HttpResponse | None:  # noqa: ANN401
        """Ask on a page of its own, then purge the tasks."""
        page: HttpResponse | None = delete_selected(self, request, tasks)
        return page


@admin.register(OutboxMessage)
class OutboxAdmin(ReadOnly):
    """Messages that were committed and are not sent yet: none, most of the time."""

    list_display = ("message_id", "queue", "size", "written")
    list_filter = ("queue",)
    fields = ("message_id", "queue", "size", "delay", "written")

    @admin.display(description="bytes")
    def size(self, message: OutboxMessage) -> int:
        """The size of the body."""
        return len(message.body)

    @admin.display(description="written", ordering="created_at")
    def written(self, message: OutboxMessage) -> datetime:
        """When the message was written."""
        return datetime.fromtimestamp(message.created_at, UTC)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Rows are not changed by hand."""
        return False
