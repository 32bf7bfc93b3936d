"""The conformance kit: asks any HTTP extension server what the protocol asks, and reports what is wrong.

It imports nothing else of this project: what it says of our own server is judged as if it were a foreign one.
"""
