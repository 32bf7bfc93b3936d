"""What `framehook play` needs besides the player."""
