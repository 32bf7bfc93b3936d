"""Out: Results → the bytes of an answer."""
