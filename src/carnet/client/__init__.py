"""What vendors embed: state, device identity, exchange with the server. Never imports the server."""
