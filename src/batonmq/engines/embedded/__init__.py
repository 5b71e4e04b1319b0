"""The broker's own model and store inside this process: no server, no port."""

from __future__ import annotations
