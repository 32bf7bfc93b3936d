"""Sockets: HTTP/1.1 and TLS as bytes, their deadlines and limits, and load shedding before anything is parsed."""
