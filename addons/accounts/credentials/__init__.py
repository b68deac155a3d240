"""Where the sign-ins of added accounts are kept: in the platform's keyring, or in files."""
