"""Messages that are written in the transaction of an application's own rows, and sent when it has been committed."""

from __future__ import annotations
