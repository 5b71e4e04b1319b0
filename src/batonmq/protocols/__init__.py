"""The protocols that clients speak, a package each; none knows another. All are sans-I/O: bytes in, bytes out."""

from __future__ import annotations
