"""Measurements of BatonMQ: `make bench`. README.md tells how to read them."""
