"""What every benchmark writes beside its table: results as JSON, with the machine, the versions and the date."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
ARE_NAMED = ("torch", "numpy", "scikit-learn", "faiss-cpu", "skorch", "lightning", "keras", "nbgrader")


def machine() -> dict[str, Any]:
    """Processor, cores, threads of torch and memory; versions; the day."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line] \
        if cpuinfo.exists() else []  # fmt: skip
    versions = {"python": platform.python_version()}
    for package in ARE_NAMED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def save(name: str, results: Any, folder: Path = RESULTS) -> Path:
    """Write results/NAME.json, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
    return path


def load(name: str, folder: Path = RESULTS) -> Any:
    """Read what `save` wrote; None where nothing was measured yet."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
