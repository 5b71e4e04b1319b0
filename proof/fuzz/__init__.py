"""Input of any kind for everything that reads bytes: parsers, and whole sessions over a real broker.

A target (`target.py`) takes one input after the other and says what became of it. Who makes them up is another matter:
`mutation.py` changes what was kept before, and keeps what comes to something new; where atheris is installed,
`guided.py` has libFuzzer do it by the coverage of the code. Both count, and write down what they find.
"""
