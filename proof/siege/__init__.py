"""`python -m proof.siege`: hostile clients on every listener, and what those who mean well notice of them."""
