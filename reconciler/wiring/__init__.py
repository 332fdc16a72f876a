"""From settings and flags to what a command needs: the one room that knows every adapter by name."""

from reconciler.wiring.auditing import Opened, Place, chronicles, surveyed
from reconciler.wiring.forges import access_of, forge_of
from reconciler.wiring.jobs import Asked, job
from reconciler.wiring.measuring import Sources, usage_sources
from reconciler.wiring.metrics import state_of
from reconciler.wiring.places import clone_url, found_settings, operators_policies
from reconciler.wiring.prices import prices_now
from reconciler.wiring.registries import registries_of
from reconciler.wiring.replaying import Replaying, replaying
from reconciler.wiring.repositories import local_repository
from reconciler.wiring.surveys import FolderSurvey, folder_around, survey_folder

__all__ = [
    "Asked",
    "FolderSurvey",
    "Opened",
    "Place",
    "Replaying",
    "Sources",
    "access_of",
    "chronicles",
    "clone_url",
    "folder_around",
    "forge_of",
    "found_settings",
    "job",
    "local_repository",
    "operators_policies",
    "prices_now",
    "registries_of",
    "replaying",
    "state_of",
    "survey_folder",
    "surveyed",
    "usage_sources",
]
