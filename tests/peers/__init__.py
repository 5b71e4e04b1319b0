"""Real brokers for the tests: installed from packages into a cache, started on free ports of the loopback.

``python -m tests.peers install|start|stop|engines``; a test that kills brokers takes ``wanted`` of `catalogue.py`.
"""
