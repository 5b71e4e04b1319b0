"""Shovels as RabbitMQ's plugin has them: parameters of the component "shovel"."""

from __future__ import annotations
