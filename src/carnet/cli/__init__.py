"""The `carnet` command: thin callers of the server and of the client, imported only when used."""
