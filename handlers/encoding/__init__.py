"""Results → bytes."""
