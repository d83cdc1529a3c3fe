"""A pod as the kubelet would run it, translated to flags and folders of an engine."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.kubernetes.manifests import Manifest, container, environment, number, pod


def docker(*arguments: str, within: float = 60) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)
    assert done.returncode == 0, (
        f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout.strip()


def flags(manifests: list[Manifest], folders: Mapping[str, Path]) -> list[str]:
    """Translate the pod; a flag without an equal sign would need the next word too."""
    spec, only_one = pod(manifests)["spec"], container(manifests)
    whole, own, limits = spec["securityContext"], only_one["securityContext"], only_one["resources"]["limits"]
    memory = f"{number(limits['memory']):.0f}"
    mounts = {each["name"]: each for each in only_one["volumeMounts"]}
    found = [
        f"--user={whole['runAsUser']}:{whole['runAsGroup']}",
        f"--group-add={whole['fsGroup']}",
        f"--read-only={str(own['readOnlyRootFilesystem']).lower()}",
        f"--security-opt=no-new-privileges={str(not own['allowPrivilegeEscalation']).lower()}",
        *(f"--cap-drop={name}" for name in own["capabilities"]["drop"]),
        *(f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={number(limits['cpu'])}"),
        f"--stop-timeout={spec.get('terminationGracePeriodSeconds', 30)}",
        *(f"--env={name}={value}" for name, value in environment(manifests).items()),
    ]
    for volume in spec["volumes"]:
        mount = mounts[volume["name"]]
        if "emptyDir" in volume:
            size = number(volume["emptyDir"]["sizeLimit"])
            found.append(f"--tmpfs={mount['mountPath']}:size={size:.0f}")
        else:
            found.append(f"--volume={folders[volume['name']]}:{mount['mountPath']}:ro")
    return found


class SecretVolume:
    """A Secret as the kubelet mounts it: links into `..data`, a link that is swapped with all it leads to."""

    def __init__(self, folder: Path, content: Mapping[str, str], *, mode: int, group: int) -> None:
        self.folder, self.mode, self.group = folder, mode, group
        folder.mkdir()
        folder.chmod(0o755)
        self.swap(content)
        for name in content:
            (folder / name).symlink_to(f"..data/{name}")

    def swap(self, content: Mapping[str, str]) -> None:
        version = self.folder / f"..{time.time_ns()}"
        version.mkdir()
        version.chmod(0o755)
        for name, text in content.items():
            file = version / name
            file.write_text(text)
            if os.geteuid() == 0:
                os.chown(file, 0, self.group)
            # Only root may give a file to the pod's group.
            file.chmod(self.mode if os.geteuid() == 0 else 0o444)
        (self.folder / "..new").symlink_to(version.name)
        (self.folder / "..new").replace(self.folder / "..data")


def ask(port: int, path: str, context: ssl.SSLContext, name: str) -> tuple[int, str, str]:
    """GET as the gateway does: the status, the body, and the name in the certificate."""
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname=name) as secured,
    ):
        secured.sendall(request.encode())
        head, _, body = b"".join(iter(lambda: secured.recv(4096), b"")).decode().partition("\r\n\r\n")
        return int(head.split()[1]), body, str(secured.getpeercert())


def wait_until(holds: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise TimeoutError(holds)
