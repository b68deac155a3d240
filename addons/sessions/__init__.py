"""What is known of conversations: the meter of their prompt cache."""
