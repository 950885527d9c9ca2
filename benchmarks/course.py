"""Seconds and peak memory of each notebook in the quick profile, from the kernel's start, and of JupyterLab's server.

    python benchmarks/course.py [NOTEBOOK …]

The notebooks run one after the other, with an empty cache; nothing is stored in them. A learner's machine, or a hub,
needs memory for one kernel and one server. The figures are written into benchmarks/results/course.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
from report import save

from tools.notebooks import ROOT, peak_mb, timed_client

N_SLOWEST = 8


def measured(path: Path) -> dict[str, Any]:
    client = timed_client(nbformat.read(path, as_version=4), path.parent)
    start = time.perf_counter()
    client.execute_with_report()
    slowest = sorted(client.seconds, key=client.seconds.__getitem__, reverse=True)[:N_SLOWEST]
    return {
        "seconds": time.perf_counter() - start, "slowest cells, s": {id: client.seconds[id] for id in slowest},
        "MB of imports": client.baseline_mb, "MB above the imports": client.peak_mb - client.baseline_mb,
    }  # fmt: skip


def server_mb(port: int = 8931) -> float:
    """Peak memory of JupyterLab's server when it has served its page."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}",
                   "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--allow-root"]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(120):
                try:
                    with urllib.request.urlopen(f"http://localhost:{port}/lab", timeout=30) as page:
                        page.read()
                    return peak_mb(server.pid)
                except OSError:
                    time.sleep(0.5)
            raise RuntimeError("JupyterLab did not answer within a minute.")
        finally:
            server.terminate()
            server.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    results = {}
    for path in parser.parse_args().notebooks:
        results[path.name] = found = measured(path)
        cells = ", ".join(f"{id} {seconds:.1f}" for id, seconds in found["slowest cells, s"].items())
        memory = f"{found['MB above the imports']:.0f} MB above {found['MB of imports']:.0f} MB of imports"
        print(f"{path.name:28} {found['seconds']:4.0f} s, {memory}; slowest: {cells}", flush=True)
    server = server_mb()
    most = max(found["MB of imports"] + found["MB above the imports"] for found in results.values())
    print(f"all: {sum(found['seconds'] for found in results.values()):.0f} s; the largest kernel {most:.0f} MB, "
          f"JupyterLab's server {server:.0f} MB, together {most + server:.0f} MB")  # fmt: skip
    print(save("course", {"notebooks": results, "MB of the server": server, "MB in all": most + server}))


if __name__ == "__main__":
    main()
