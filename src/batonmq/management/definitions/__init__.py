"""Definitions: everything in a broker except messages, exported to and imported from files in RabbitMQ's format."""

from __future__ import annotations
