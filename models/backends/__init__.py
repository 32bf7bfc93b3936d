"""What runs a graph: one module for each library."""
