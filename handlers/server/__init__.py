"""The server around the operations: composition, settings, contract, metrics, sockets, middleware, access."""
