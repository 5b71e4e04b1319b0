"""Messages of the broker and messages on the wire: from one to the other, and what other protocols see of them.

field_values ....... values of AMQP 1.0 as fields of 0-9-1, and back
identifiers ........ ids, reply addresses and texts, which are shorter in 0-9-1
deaths ............. where a message was dead-lettered
tables, heads ...... what comes before a message's body, as properties of 0-9-1
direct ............. the same from octets to octets, for what most clients send: leads, property_lists, entries
incoming ........... a message that a client sends
templates, edited .. what comes before the body of a message that goes out, of other protocols and of this one
foreign ............ the same for what most send, from octets to octets: header_entries
outgoing ........... a message that goes out
"""

from __future__ import annotations
