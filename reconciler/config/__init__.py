"""Settings and policies: what the operator and the teams have decided, checked and ranked."""

from reconciler.config.book import PolicyBook, load_policies
from reconciler.config.contradictions import repository_of
from reconciler.config.drafts import ImageDraft, drafted
from reconciler.config.find import FILE_NAME, Found, find_settings, load_settings
from reconciler.config.mistakes import BadFile, Mistake
from reconciler.config.schema import policy_schema, settings_schema
from reconciler.config.settings import Settings
from reconciler.config.starter import FolderFacts, starter_settings
from reconciler.config.tokens import TokenSource
from reconciler.config.written import WrittenPolicy, parse_policies, ready_made

__all__ = [
    "FILE_NAME",
    "BadFile",
    "FolderFacts",
    "Found",
    "ImageDraft",
    "Mistake",
    "PolicyBook",
    "Settings",
    "TokenSource",
    "WrittenPolicy",
    "drafted",
    "find_settings",
    "load_policies",
    "load_settings",
    "parse_policies",
    "policy_schema",
    "ready_made",
    "repository_of",
    "settings_schema",
    "starter_settings",
]
