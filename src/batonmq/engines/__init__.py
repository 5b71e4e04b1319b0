"""Where queues live: inside this process, or in a broker elsewhere. Each engine does what ``asynchronous.py`` says."""

from __future__ import annotations
