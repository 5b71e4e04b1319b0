"""The HTTP API of RabbitMQ's management plugin, one file for each resource."""

from __future__ import annotations
