"""Whole queues against a reference that is small enough to be read."""
