"""
The boarding-pass story, told with real parts: `carnet demo`, which is `make run`.

    stage   the real parts: directories, a server process, `carnet` processes of a vendor and of devices
    story   the steps; each does something, checks what came of it, and says what happened
    compromise  the steps of another story: a stolen signing key, and the drill (`carnet demo --compromise`)
    checks  what steps check
    show    how steps look: in a terminal, in a pipe, as JSON
"""
