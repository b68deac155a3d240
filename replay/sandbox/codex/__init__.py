"""The Codex backend that the sandbox imitates: ChatGPT paths, API-key paths, OAuth."""
