"""Crashes of programs that share a file: `python -m proof.crash.embedded --kills 1000`.

Several processes (or one) do everything that the Python API can do with one file. They are killed at random, or at a
point that was armed in them (`batonmq.points`): the owner, a guest, the next owner while it takes over, all at once;
some are stopped for longer than an owner waits for them, some close in order. In the end one process takes what is
left, is killed too, and another looks whether anything came back.

Beside what `proof.crash.checker` proves: no two processes ever have the file (`owners`), every call returns
(`program`), no error is logged that nobody asked for, and a message whose handler kills its process each time ends
among the dead letters.
"""
