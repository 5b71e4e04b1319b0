"""Measurements of BatonMQ: `make bench`, `make soak`, and what they share. README.md tells how to read them."""
