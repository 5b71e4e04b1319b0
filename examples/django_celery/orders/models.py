"""What is stored of orders."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """Somebody wants so many of something."""

    customer = models.CharField(max_length=100)
    count = models.PositiveIntegerField()
    confirmed = models.PositiveIntegerField(default=0)
