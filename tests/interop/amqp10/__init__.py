"""Clients of AMQP 1.0, as their users have them."""
