"""Input of any kind for everything that reads bytes: parsers, and whole sessions over a real broker.

A target (`target.py`) takes one input after the other and says what became of it. `mutation.py` makes them up: it
changes what was kept before, and keeps what comes to something new. What is found is counted and written down.
"""
