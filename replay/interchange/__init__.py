"""Traces from and to the files of other tools: HAR, vcrpy cassettes, mitmproxy flows."""
