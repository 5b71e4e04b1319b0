"""`python -m proof.soak`: load and churn over every protocol, and whether the broker stays level under it."""
