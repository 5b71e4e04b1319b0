"""Crashes: clients note what they do and see, everything is killed again and again, and a checker holds the notes
against what was promised.

The notes (`proof.crash.notes`) fit any client. Each thread of each process has a file of its own, a `Book`, which it
only appends to; a process may be killed at any time, since what was written is with the system. What has to be noted:

    life     the Pulse, a number in a file that all share, says which life of the engine it is: it is odd while
             the engine is dead. A client reads it before and after it connects, and when both are the same, it is the
             life of its session. Whoever kills notes `Killed` before, and beats the pulse: `Pulse.dies`, `Pulse.lives`.
    session  `Opened` when a connection is there, `Ended` before it is closed, or when it is found to be lost; and once
             more, orderly, when the engine has answered the close. A session is soft when its client reconnects by
             itself (the Python API does), so that a settlement that raises nothing may still not have arrived.
    sending  `Sending` before, with where the message goes; then `Confirmed`, `Refused`, or nothing: it may be there.
             Who sends again takes a new id, unless the queue knows duplicates by their ids.
    taking   `Received` first of all; `Settling` before each settlement; `Settled` when the engine has promised that it
             is kept: its receipt, its commit, or whatever it confirms later over the same connection.
    work     `Begun`, then what belongs to it with its number, `Committing` before the commit is asked for, and then
             `Committed`, `RolledBack`, or nothing.
    faults   `Fault` whenever something happens that must not: a call that hangs, an error that nobody asked for.
             `Drained` when all is taken and nothing more comes: only then can anything be missing.

A `Layout` says what the queues are like, and where messages go from each. `check(layout, notes)` gives a `Verdict`:
counts, and a line for each promise that was broken. What is checked is told in `proof.crash.checker`.
"""
