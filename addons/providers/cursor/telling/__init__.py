"""What a run is told: the client's conversation as Cursor keeps it."""
