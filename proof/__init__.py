"""Commands that prove what the broker promises: each attacks it for as long as it is told to, and counts what broke.

They start brokers and programs of their own, on loopback and in folders of their own, and end only those.
"""
