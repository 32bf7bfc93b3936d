"""A small extension server that does everything right, but for the mistakes that it is asked to make."""
