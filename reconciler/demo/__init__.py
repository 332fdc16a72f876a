"""A deployment repository and four weeks of its utilization, to try everything out on.

Nothing here talks to a network, and every call gives the same bytes.
"""

from reconciler.demo.files import build_deployment_repository, demo_files, settings_text
from reconciler.demo.story import END, START, record_story, story

__all__ = [
    "END",
    "START",
    "build_deployment_repository",
    "demo_files",
    "record_story",
    "settings_text",
    "story",
]
