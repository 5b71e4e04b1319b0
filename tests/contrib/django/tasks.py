"""Tasks of the tests' project."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from batonmq.contrib.django.compat import IS_BUILT_IN

if IS_BUILT_IN:
    from django.tasks import task
else:
    from django_tasks import task


@task()
def add(a: int, b: int = 0) -> int:
    return a + b


@task(queue_name="mails")
def fail(text: str) -> None:
    raise LookupError(text)


@task(takes_context=True)
def second_time(context: Any) -> list[object]:
    if context.attempt == 1:
        raise LookupError("not yet")
    return [context.attempt, context.task_result.id]


@task()
async def later(text: str) -> dict[str, str]:
    return {"text": text}


@task()
def nothing_that_json_has() -> object:
    return object()


@task()
def leave() -> None:
    raise SystemExit(3)


@task()
def note(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


@task()
def slow(path: str, seconds: float) -> str:
    Path(path).touch()
    time.sleep(seconds)
    return "done"


@task(takes_context=True)
def die(context: Any, times: int) -> int:
    """Takes its worker along."""
    if context.attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    attempts: int = context.attempt
    return attempts
