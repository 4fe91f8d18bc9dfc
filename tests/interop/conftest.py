"""The toolchains of other languages, each made ready once; where one is missing, its tests are skipped by name."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with the JavaScript library installed from the lock file; made once, kept in pytest's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node.js and npm are not installed: npm `jose` is not tried")
    source = HERE / "node"
    lock = (source / "package-lock.json").read_bytes()
    folder = Path(request.config.cache.mkdir("node-interop")) / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "ready").exists():
        making = folder.with_suffix(f".{os.getpid()}")
        making.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(source / name, making)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=making,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        if done.returncode != 0:
            shutil.rmtree(making)
            pytest.skip(f"npm could not install `jose` here: {done.stderr.strip()[-200:]}")
        (making / "ready").touch()
        try:
            making.rename(folder)
        except OSError:  # another test process was first
            shutil.rmtree(making)
    for program in source.glob("*.mjs"):
        own = folder / f"{program.name}.{os.getpid()}"
        shutil.copy(program, own)
        own.replace(folder / program.name)  # whole at every moment: test processes share the folder
    return folder


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from the standard library alone."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: its standard library is not tried")
    folder = tmp_path_factory.mktemp("go-interop")
    for name in ("main.go", "verify_token.go"):
        shutil.copy(HERE / "go" / name, folder)
    program = folder / "verify"
    subprocess.run(
        [go, "build", "-o", program, "main.go", "verify_token.go"],
        cwd=folder,
        env={**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off", "CGO_ENABLED": "0"},
        check=True,
        timeout=280,
    )
    return program


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the compiled Java program, of the JDK's library alone."""
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        pytest.skip("A JDK is not installed: java.security is not tried")
    folder = tmp_path_factory.mktemp("java-interop")
    sources = sorted((HERE / "java").glob("*.java"))
    subprocess.run(
        [javac, "--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", folder, *sources],
        check=True,
        timeout=120,
    )
    return folder
