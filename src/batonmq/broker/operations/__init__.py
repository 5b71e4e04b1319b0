"""What clients may do to a virtual host, checked."""

from __future__ import annotations
