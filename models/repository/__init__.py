"""The model repository: what lies on disk, read and checked."""
