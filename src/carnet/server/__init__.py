"""What the vendor runs. Never imports the client."""
