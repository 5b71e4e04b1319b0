"""Selectors: conditions over headers and properties, in the SQL of JMS."""

from __future__ import annotations
