"""Out: results → bytes."""
