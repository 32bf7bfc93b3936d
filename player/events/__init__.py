"""The events that a pipeline reports, and the ways they go: standard output, files, webhooks, MQTT."""
