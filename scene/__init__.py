"""What is remembered of a scene from frame to frame. numpy only: no HTTP, no model, no clock; time comes in."""
