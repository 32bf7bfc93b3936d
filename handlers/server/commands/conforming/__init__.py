"""What `framehook conform` and `framehook doctor` need besides the kit."""
