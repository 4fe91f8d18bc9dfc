"""One module per command, named as it; each is imported only when its command is used (`carnet.cli.catalog`)."""
