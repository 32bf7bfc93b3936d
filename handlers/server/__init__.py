"""What stands around the operations."""
