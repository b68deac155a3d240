"""One run of the agent, from its first message to its end."""
