"""
The `carnet` command: thin callers of the server and of the client, imported only when used.

    main      one run: parse, dispatch, and every error as a sentence and an exit code
    parser    argparse with our manners; catalog: the commands, and where each one lives
    output    stdout is data, stderr is talk; JSON or text
    exits     the table of exit codes; secrets: keys and passphrases, never from the command line
    notice    the dialog boxes and the decision as a person sees them
    commands  one module per command; demo: the boarding-pass story

Nothing here decides anything about a license: that is `carnet.core`.
"""
