"""Recording clients: install one, drive it against the sandbox through mitmproxy, keep traces."""
