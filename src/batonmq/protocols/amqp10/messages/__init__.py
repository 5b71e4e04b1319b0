"""Converts messages of the broker to messages of AMQP 1.0 and back, and shows them to other protocols.

field_values ....... values of AMQP 1.0 as fields of 0-9-1, and back
identifiers ........ ids, reply addresses and texts, which are shorter in 0-9-1
deaths ............. where a message was dead-lettered
tables, heads ...... the sections before a message's body, as properties of 0-9-1
direct ............. the same from octets to octets, for most clients' messages: leads, property_lists, entries
incoming ........... a message that a client sends
templates, edited .. the sections before the body of a delivered message, from other protocols and from this one
foreign ............ the same for most messages, from octets to octets: header_entries
outgoing ........... a message that is delivered
"""

from __future__ import annotations
