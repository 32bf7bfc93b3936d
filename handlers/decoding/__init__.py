"""In: bytes → Frame."""
