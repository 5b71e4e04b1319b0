"""Where queues live: inside this process, or in a broker elsewhere. Each engine implements ``interface.py``."""

from __future__ import annotations
