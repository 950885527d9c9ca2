"""Print constraints.txt: all versions that are installed in this environment, the one set that is tested."""

from importlib.metadata import distributions

# Not part of what a learner installs: this project, and what creates environments.
LEFT_OUT = {"autoencoder-course", "pip", "setuptools", "wheel"}

print(
    "# The one set of versions that is tested, written by `make lock`. pip applies a line only where it installs that"
)
print("# package anyway, so a line for another system does no harm.")
installed = {d.metadata["Name"]: d.version for d in distributions()}
for name in sorted(installed, key=str.lower):
    if name.lower() not in LEFT_OUT:
        print(f"{name}=={installed[name].split('+')[0]}")
