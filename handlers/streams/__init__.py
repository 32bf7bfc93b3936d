"""What the service knows of streams: which ones there are, who watches them, and their settings."""
