"""On the path, it hides what `$WITHOUT` names from this Python, as if it were not installed."""

import os
import sys
from importlib.machinery import PathFinder

HIDDEN = os.environ.get("WITHOUT", "").split(",")


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name in HIDDEN else PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
