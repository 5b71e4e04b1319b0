"""Virtual hosts over one store, and the broker that has them."""

from __future__ import annotations
