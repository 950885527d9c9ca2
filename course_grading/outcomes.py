"""The names of every outcome: how one cell ends, and how a submission ends."""

from __future__ import annotations

# How a cell ends. UNPROVEN: the kernel reports success, but the proof is missing.
PASSED = "passed"
FAILED = "failed"
ERROR = "error"
TIMED_OUT = "timed out"  # a submission, too
NO_REPLY = "no reply"
FLOOD = "too much output"
UNPROVEN = "unproven"
RAN = "ran"

# How a submission ends.
GRADED = "graded"
DIED = "kernel died"
REJECTED = "rejected"
FLAGGED = "flagged"
INFRASTRUCTURE = "not graded: infrastructure"
STATES = (GRADED, TIMED_OUT, DIED, REJECTED, FLAGGED, INFRASTRUCTURE)
