"""What does the jobs of a lane: its own thread, or a process of its own. Knows no model and no codec."""
