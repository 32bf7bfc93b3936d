"""Parts of nodes: what all sections have in common, and the sections inside nodes."""
