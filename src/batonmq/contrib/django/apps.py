"""The application, as INSTALLED_APPS names it."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["BatonConfig"]


class BatonConfig(AppConfig):
    """Tasks and the outbox."""

    name = "batonmq.contrib.django"
    label = "batonmq"
    verbose_name = "BatonMQ"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check of the settings, where Django does not check all backends."""
        from django.apps import apps
        from django.core import checks

        from batonmq.contrib.django.checks import check_all
        from batonmq.contrib.django.compat import IS_BUILT_IN

        if not IS_BUILT_IN and not apps.is_installed("django_tasks"):
            checks.register(check_all)
