"""Sessions as a whole: what a client may say, as an input chooses, to a session over a real broker."""
