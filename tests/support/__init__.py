"""What the tests use: a live service, a client that checks every answer against the contract, credentials."""
