"""Clients of a broker that is killed: connections over three protocols with one face, and what is done with them."""
