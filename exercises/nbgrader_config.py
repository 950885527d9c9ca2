"""nbgrader's settings for this course; its own commands and the formgrader read them when they are started in this
folder."""

from pathlib import Path

c = get_config()  # nbgrader provides it

c.CourseDirectory.course_id = "autoencoder-course"
c.CourseDirectory.root = str(Path(__file__).parent)
# a minute's patience where another program writes into the gradebook; SQLite's own is five seconds
c.CourseDirectory.db_url = f"sqlite:///{Path(__file__).parent / 'gradebook.db'}?timeout=60"

# A student's markdown and outputs are shown in the instructor's browser, with the instructor's rights.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.preprocessors = ["course_grading.markdown.SanitizeOutputs"]
c.HTMLExporter.filters = {"markdown2html": "course_grading.markdown.markdown2html"}

# The formgrader's buttons: "Autograde" would run submissions without a sandbox, "Generate Feedback" show hidden tests.
c.Autograde.sanitize_preprocessors = ["course_grading.markdown.Refuse"]
c.GenerateFeedback.preprocessors = ["course_grading.markdown.Refuse"]

# Tests that a submission lacks are put back and count.
c.OverwriteCells.add_missing_cells = True

# `nbgrader zip_collect`: a learning platform's download with files named STUDENT_01_pca.ipynb
c.FileNameCollectorPlugin.named_regexp = r".*/(?P<student_id>[^/]+?)_(?P<file_id>\d\d_\w+)"
