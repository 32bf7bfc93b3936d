"""How a server is asked: HTTP/1.1 over sockets of our own, so that each byte of a request can be chosen."""
