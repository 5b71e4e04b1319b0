"""What is wrong with the settings is said by `manage.py check`, with what to do about it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from tests.contrib.django.conftest import Setting


@pytest.mark.parametrize(
    ("options", "identity", "text"),
    [
        ({"ulr": "x"}, "E002", "unknown options: ulr"),
        ({"url": ""}, "E004", "url is a path or a URL"),
        ({"url": "ampq://host/"}, "E004", "no engine for 'ampq'"),
        ({"url": "amqp://host:port/"}, "E004", "port"),
        ({"attempts": 0}, "E004", "attempts is 1 or more: 0"),
        ({"max_priority": 256}, "E004", "max_priority is 1 to 255: 256"),
        ({"outbox": "no"}, "E004", "outbox is True or False"),
        ({"database": "elsewhere"}, "E005", "there is no database 'elsewhere'"),
        ({"url": "/nowhere/at/all/tasks.db"}, "E006", "the folder of the file"),
        ({"url": Path(__file__).parent}, "E006", "is a folder, and not a file"),
        ({"database": "mysql"}, "E007", "SQLite and PostgreSQL, and the database of the tasks is of mysql"),
        ({"url": "tasks.db"}, "W001", "depends on the current directory"),
        ({"url": "memory:"}, "W002", "gone with it"),
    ],
)
def test_a_wrong_option_is_named(
    setting: Setting, options: dict[str, Any], identity: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.db import connections

    if options.get("database") == "mysql":
        # The driver need not be here: only the name of its kind is asked for.
        monkeypatch.setattr(type(connections["default"]), "vendor", "mysql")
        options = {}
    backend = setting(**options)
    (found,) = backend.check()
    assert found.id == f"batonmq.{identity}"
    assert text in found.msg
    assert found.hint
    with pytest.raises(ImproperlyConfigured) if identity.startswith("E") else contextlib.nullcontext():
        _ = backend.settings


def test_right_options_are_right_and_all_backends_are_checked(setting: Setting, tmp_path: Path) -> None:
    from django.core.management import call_command
    from django.core.management.base import SystemCheckError

    setting(url=tmp_path / "tasks.db", attempts=3, outbox=False, prefix="shop.")
    call_command("check", "--fail-level", "WARNING")
    setting(atempts=3)
    with pytest.raises(SystemCheckError, match=r"batonmq\.E002"):
        call_command("check")


def test_the_file_of_a_database_is_not_for_queues(setting: Setting) -> None:
    from django.db import connections

    (found,) = setting(url=connections["default"].settings_dict["NAME"]).check()
    assert found.id == "batonmq.E008"
    assert "is the file of the database 'default'" in found.msg


def test_queues_that_are_one_name_would_be_one_for_each_letter(project: None) -> None:
    from django.test import override_settings

    from batonmq.contrib.django.compat import task_backends

    backend = {"BACKEND": "batonmq.contrib.django.BatonBackend", "QUEUES": "mails", "OPTIONS": {"url": "memory:"}}
    with override_settings(TASKS={"default": backend}):
        found, _ = task_backends["default"].check()
        assert (found.id, found.hint) == ("batonmq.E009", "\"QUEUES\": ['mails']")


def test_no_url_and_no_application_are_said(project: None) -> None:
    from django.test import modify_settings, override_settings

    from batonmq.contrib.django.compat import task_backends

    with override_settings(TASKS={"default": {"BACKEND": "batonmq.contrib.django.BatonBackend"}}):
        assert [found.id for found in task_backends["default"].check()] == ["batonmq.E003"]
        with modify_settings(INSTALLED_APPS={"remove": "batonmq.contrib.django"}):
            assert [found.id for found in task_backends["default"].check()] == ["batonmq.E001", "batonmq.E003"]


def test_the_models_and_the_migrations_agree(project: None) -> None:
    from django.core.management import call_command

    call_command("makemigrations", "batonmq", check=True, dry_run=True, verbosity=0)
