"""Definitions: all that a broker has but messages, as a file in RabbitMQ's form; taken and given."""

from __future__ import annotations
