"""History: samples of counters, kept for a minute, an hour and a day, and the rates that follow from them."""

from __future__ import annotations
