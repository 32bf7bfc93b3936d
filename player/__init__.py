"""The client half of the protocol: takes frames from cameras, asks an extension server, and reports events and clips.

Knows neither the server nor its models: it speaks HTTP to any extension server.
"""
