"""Release exercises, grade a class in a sandbox, write feedback and a report: `python -m course_grading`.

nbgrader is used for authoring, the gradebook, the formgrader and the feedback pages. Its batch is not: it is serial,
without a sandbox, and stops at one bad notebook. Three passes replace it, each a module of its own:

    sanitise → execution (in the sandbox) → recording

`course` says where each file is, `batch` chooses what to grade, `passes` takes it through; `release`, `feedback` and
`report` are the other commands. `execution` stands on `kernel`, `cell_run` and `trust`, `kernel` on `sandbox` and
`watchdog`.
"""
