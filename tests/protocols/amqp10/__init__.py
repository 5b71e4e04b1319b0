"""The server side of AMQP 1.0, through sessions on a driven broker."""
