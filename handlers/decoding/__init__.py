"""In: the bytes of a request → Frame."""
