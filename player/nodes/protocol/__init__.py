"""What is sent to extension servers, and what they answer."""
