"""What the tests are made with: a live server, a client that checks the contract, pictures, and tiny models."""
