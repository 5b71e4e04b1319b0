"""Links: attaching and detaching, and a module for each kind of link."""

from __future__ import annotations
