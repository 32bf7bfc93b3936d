"""Shared by the tests: a live service, a client that checks every answer against the contract, credentials."""
