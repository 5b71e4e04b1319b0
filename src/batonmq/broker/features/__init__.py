"""What a queue can do beyond keeping messages in order, one feature a file."""

from __future__ import annotations
