"""Messages that are written in the same transaction as an application's rows, and sent once it is committed."""

from __future__ import annotations
