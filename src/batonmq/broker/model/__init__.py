"""What the whole broker stands on: settings, users, consumers, time, memory, and who does what when."""

from __future__ import annotations
