"""Who may come in: credentials, how they come, and what they may do."""
