"""Put the repository's public name into the README's Binder links: python -m tools.links owner/name"""

import re
import sys

from tools.notebooks import ROOT

if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"[\w.-]+/[\w.-]+", sys.argv[1]):
        sys.exit("usage: make links REPO=owner/name")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub(r"(mybinder\.org/v2/gh/)[\w.-]+/[\w.-]+", rf"\g<1>{sys.argv[1]}", text), encoding="utf-8")
