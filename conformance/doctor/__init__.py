"""Five questions to a server, answered in plain words: for users who want to know why their cameras see nothing."""
