"""Seconds and peak memory of each notebook in the quick profile, from the kernel's start, and of JupyterLab's server.

    python benchmarks/course.py [NOTEBOOK …]

The notebooks run one after the other, with an empty cache; nothing is stored in them. A learner's machine, or a hub,
needs memory for one kernel and one server. The figures are written into benchmarks/results/course.json.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
from report import save

from tools.notebooks import ROOT, TimedClient


def peak_mb(pid: int) -> float:
    """The largest resident size of a process so far."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    return int(found[1]) / 1024 if found else 0.0


def measured(path: Path) -> dict[str, Any]:
    notebook = nbformat.read(path, as_version=4)
    client = TimedClient(
        notebook, timeout=600, startup_timeout=120, kernel_name="python3", record_timing=False,
        store_widget_state=True, resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    start = time.perf_counter()
    client.execute_with_report()
    slowest = max(client.seconds, key=lambda id: client.seconds[id])
    return {
        "seconds": time.perf_counter() - start, "slowest cell, s": client.seconds[slowest], "slowest cell": slowest,
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
        memory = f"{found['MB above the imports']:.0f} MB above {found['MB of imports']:.0f} MB of imports"
        print(f"{path.name:28} {found['seconds']:4.0f} s, {found['slowest cell, s']:4.1f} s of them "
              f"{found['slowest cell']}; {memory}", flush=True)  # fmt: skip
    server = server_mb()
    most = max(found["MB of imports"] + found["MB above the imports"] for found in results.values())
    print(f"all: {sum(found['seconds'] for found in results.values()):.0f} s; the largest kernel {most:.0f} MB, "
          f"JupyterLab's server {server:.0f} MB, together {most + server:.0f} MB")  # fmt: skip
    print(save("course", {"notebooks": results, "MB of the server": server, "MB in all": most + server}))


if __name__ == "__main__":
    main()
