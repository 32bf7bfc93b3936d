"""What `framehook check` finds out about a model."""
