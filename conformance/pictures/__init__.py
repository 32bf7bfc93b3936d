"""The pictures that servers are asked about: shipped photos, and what is made of them."""
