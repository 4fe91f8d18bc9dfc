"""
Whether this process runs in an application container, told from files and the environment alone.

What counts is whether machine-id may come from an image (Docker, Podman, Kubernetes, containerd). System containers
(LXC, systemd-nspawn) boot their own system with their own machine-id and are treated as machines.
"""

from __future__ import annotations

from carnet.client.fingerprint.machine import Machine

_MARKER_FILES = ((".dockerenv", "Docker"), ("run/.containerenv", "Podman"))
_CGROUP_WORDS = ("docker", "kubepods", "containerd", "libpod", "cri-o", "ecs")


def detect_container(machine: Machine) -> str | None:
    """The name of the container engine that runs this process, or None."""
    environ = machine.environ
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "Kubernetes"
    for name, engine in _MARKER_FILES:
        if machine.where(name) is not None:
            return engine
    if environ.get("container") in {"docker", "podman", "oci"}:
        return environ["container"]
    try:
        groups = machine.read("proc/1/cgroup")
    except OSError:
        return None
    return next((word for word in _CGROUP_WORDS if word in groups), None)
