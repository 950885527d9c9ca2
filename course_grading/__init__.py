"""Release exercises, grade a class in a sandbox, write feedback and a report: `python -m course_grading`.

nbgrader is kept for authoring, the gradebook, the formgrader and the feedback pages. Its batch is not: it is serial,
without a sandbox, and stops at one bad notebook. Three passes take its place, each a module of its own:

    sanitise → execution (in the sandbox) → recording

`course` says where everything lies, `batch` drives the passes; `release`, `feedback`, `report` are the other commands.
"""
