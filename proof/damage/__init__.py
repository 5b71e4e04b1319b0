"""Damaged files: each start ends with one clear line, or serves nothing but what was sent."""
