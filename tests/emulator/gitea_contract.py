"""Holds every exchange to what Gitea and Forgejo publish: the models of two clients made from it.

Requests are held to Gitea's models, answers to Gitea's and Forgejo's. What neither knows is refused, too.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from typing import Any

import pydantic

from .serving import Answer, Asked

# method, path below the repository (or from the root), model of the body, model of the answer
_R = r"/api/v1/repos/[^/]+/[^/]+"
_N = r"/\d+"
RULES: tuple[tuple[str, str, str, str], ...] = (
    ("GET", r"/api/v1/version", "", "server_version.ServerVersion"),
    ("GET", r"/api/v1/user", "", "user.User"),
    ("GET", r"/api/v1/orgs/[^/]+/labels", "", "[label.Label]"),
    ("GET", _R, "", "repository.Repository"),
    ("GET", f"{_R}/compare/.+", "", "compare.Compare"),
    ("GET", f"{_R}/git/commits/[0-9a-f]+", "", "commit.Commit"),
    ("GET", f"{_R}/git/refs/.+", "", "reference.Reference"),
    ("GET", f"{_R}/commits/[0-9a-f]+/status", "", "combined_status.CombinedStatus"),
    ("GET", f"{_R}/pulls", "", "[pull_request.PullRequest]"),
    (
        "POST",
        f"{_R}/pulls",
        "create_pull_request_option.CreatePullRequestOption",
        "pull_request.PullRequest",
    ),
    ("GET", f"{_R}/pulls{_N}", "", "pull_request.PullRequest"),
    (
        "PATCH",
        f"{_R}/pulls{_N}",
        "edit_pull_request_option.EditPullRequestOption",
        "pull_request.PullRequest",
    ),
    ("POST", f"{_R}/pulls{_N}/merge", "merge_pull_request_option.MergePullRequestOption", ""),
    ("DELETE", f"{_R}/pulls{_N}/merge", "", ""),
    ("GET", f"{_R}/pulls{_N}/reviews", "", "[pull_review.PullReview]"),
    (
        "POST",
        f"{_R}/pulls{_N}/requested_reviewers",
        "pull_review_request_options.PullReviewRequestOptions",
        "[pull_review.PullReview]",
    ),
    ("GET", f"{_R}/pulls/[^/]+/.+", "", "pull_request.PullRequest"),
    ("GET", f"{_R}/labels", "", "[label.Label]"),
    ("POST", f"{_R}/labels", "create_label_option.CreateLabelOption", "label.Label"),
    ("GET", f"{_R}/issues{_N}/labels", "", "[label.Label]"),
    ("POST", f"{_R}/issues{_N}/labels", "labels", "[label.Label]"),
    ("DELETE", f"{_R}/issues{_N}/labels{_N}", "", ""),
    ("GET", f"{_R}/issues{_N}/timeline", "", "[timeline_comment.TimelineComment]"),
    ("GET", f"{_R}/issues{_N}/comments", "", "[comment.Comment]"),
    (
        "POST",
        f"{_R}/issues{_N}/comments",
        "create_issue_comment_option.CreateIssueCommentOption",
        "comment.Comment",
    ),
    (
        "PATCH",
        f"{_R}/issues/comments{_N}",
        "edit_issue_comment_option.EditIssueCommentOption",
        "comment.Comment",
    ),
    ("GET", f"{_R}/issues", "", "[issue.Issue]"),
    ("POST", f"{_R}/issues", "create_issue_option.CreateIssueOption", "issue.Issue"),
    ("PATCH", f"{_R}/issues{_N}", "edit_issue_option.EditIssueOption", "issue.Issue"),
)


def check(asked: Asked, answer: Answer) -> None:
    """An AssertionError where an exchange is not what the forges publish."""
    if answer.status >= 400:
        return
    rules = [rule for rule in RULES if rule[0] == asked.method and re.fullmatch(rule[1], asked.path)]
    assert rules, f"no contract for {asked.method} {asked.path}"
    _, _, wanted, answered = rules[0]
    if wanted:
        _check_body(json.loads(asked.body), wanted)
    else:
        assert not asked.body, f"{asked.method} {asked.path} has no body"
    if answer.body is None:
        return
    assert answered, f"{asked.method} {asked.path} is not answered"
    is_list = answered.startswith("[")
    told = json.loads(json.dumps(answer.body))
    assert isinstance(told, list) == is_list or "/git/refs/" in asked.path
    for each in told if isinstance(told, list) else [told]:
        for library in ("gitea", "forgejo"):
            _hold(each, answered.strip("[]"), library)


def _check_body(said: Any, wanted: str) -> None:
    if wanted == "labels":  # the generated model takes them for objects; its words say numbers or names
        assert set(said) == {"labels"}
        assert {type(each) for each in said["labels"]} in ({int}, {str})
        return
    # newer servers took these names into use, and still take the old ones, which all servers know
    new = {"Do": "do", "MergeTitleField": "merge_title_field", "MergeMessageField": "merge_message_field"}
    _hold({new.get(name, name): value for name, value in said.items()}, wanted, "gitea")


def _hold(told: Any, name: str, library: str) -> None:
    model = _model(name, library)
    if model is None:
        return
    model.model_validate(told)
    known = {field.alias or key for key, field in model.model_fields.items()}
    unknown = set(told) - known
    assert not unknown or library == "forgejo", f"{name} has no {unknown}"


@cache
def _model(name: str, library: str) -> type[pydantic.BaseModel] | None:
    module, _, kind = name.partition(".")
    if library == "gitea":
        return getattr(importlib.import_module(f"gitea_api_client.models.{module}"), kind)
    return getattr(importlib.import_module("pyforgejo.types"), kind, None)
