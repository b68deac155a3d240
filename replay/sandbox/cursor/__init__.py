"""The Cursor side of the sandbox: its agent service, its accounts, its calls."""
