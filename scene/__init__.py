"""What is remembered of a scene: pure, without HTTP, models or a clock of its own."""
