"""The admin's pages: tasks listed, shown, retried and purged."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from tests.contrib.django.conftest import Setting, Working
from tests.contrib.django.test_backend import ended


@pytest.fixture
def client(project: None) -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    user = User.objects.filter(username="ann").first() or User.objects.create_superuser(
        "ann", "ann@example.org", "sesame"
    )
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def failed(setting: Setting, working: Working) -> Any:
    backend = setting()
    result = importlib.import_module("tests.contrib.django.tasks").fail.enqueue("<no such order>")
    with working(backend):
        ended(result)
    return result


LIST = "/admin/batonmq/task/"


def test_tasks_are_listed_and_shown_with_their_tracebacks(client: Any, failed: Any) -> None:
    listed = client.get(LIST, {"status": "FAILED"}).content.decode()
    assert "tests.contrib.django.tasks.fail" in listed
    assert "Retry selected tasks" in listed
    assert "Purge selected tasks" in listed
    assert "Add task" not in listed
    shown = client.get(f"{LIST}{failed.id}/change/").content.decode()
    assert "LookupError: &lt;no such order&gt;" in shown
    assert f'action="{LIST}{failed.id}/retry/"' in shown
    assert "0 messages" not in client.get("/admin/batonmq/outboxmessage/").content.decode()


def test_a_task_is_retried_by_the_action_and_by_its_button(
    client: Any, failed: Any, setting: Setting, working: Working
) -> None:
    backend = setting()
    chosen = {"action": "retry_selected", "_selected_action": [failed.id]}
    assert "1 tasks will be run again" in client.post(LIST, chosen, follow=True).content.decode()
    failed.refresh()
    assert (failed.status, failed.attempts) == ("READY", 0)
    with working(backend):
        assert ended(failed).status == "FAILED"
        assert len(failed.errors) == 2
        answer = client.post(f"{LIST}{failed.id}/retry/", follow=True)
        assert "will be run again" in answer.content.decode()
        ended(failed)
    assert len(failed.errors) == 3
    assert client.get(f"{LIST}{failed.id}/retry/").status_code == 403


def test_a_task_is_purged_and_not_run(client: Any, setting: Setting, working: Working, tmp_path: Any) -> None:
    from batonmq.contrib.django.models import Task

    backend = setting()
    tasks = importlib.import_module("tests.contrib.django.tasks")
    purged = tasks.note.enqueue(str(tmp_path / "notes"), "purged")
    client.post(LIST, {"action": "delete_selected", "_selected_action": [purged.id], "post": "yes"})
    assert not Task.objects.exists()
    with working(backend):
        ended(tasks.add.enqueue(1))
    assert not (tmp_path / "notes").exists()


def test_who_may_only_look_can_neither_retry_nor_purge(client: Any, failed: Any) -> None:
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_task"))
    bob = Client()
    bob.force_login(user)
    shown = bob.get(f"{LIST}{failed.id}/change/")
    assert shown.status_code == 200
    assert "retry" not in shown.content.decode().lower()
    assert "purge" not in shown.content.decode().lower()
    assert bob.post(f"{LIST}{failed.id}/retry/").status_code == 403
    user.delete()
