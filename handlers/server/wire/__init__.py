"""Sockets: HTTP/1.1 and TLS as bytes, with deadlines, limits, and load shedding before a request becomes ASGI."""
