"""A group and the files it changes, made into one proposal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler import canonical
from reconciler.model import ChangeClass, FileChange, Keep, Proposal
from reconciler.proposals.body import body, message_body, title_subject
from reconciler.proposals.group import Base as Base
from reconciler.proposals.group import Group, fingerprint, plan_of
from reconciler.proposals.images import RESOURCES, scope
from reconciler.proposals.markdown import one_line, still
from reconciler.proposals.memo import hide, memo_of
from reconciler.proposals.situation import without_marks
from reconciler.proposals.surface import Surface
from reconciler.proposals.templates import fill

SCHEMA = "1"
_TYPES = {ChangeClass.SAFETY: "fix", ChangeClass.SAVINGS: "perf"}
_LONGEST_TITLE = 200  # forges take 255, and a mark may still come at its end


class Templates(NamedTuple):
    """How branches, titles and messages are written; the names on offer are `PLACEHOLDERS`."""

    branch: str = "reconcile/{class}/{group}"
    title: str = "{type}({scope}): {subject}"
    message: str = "{title}\n\n{body}"
    trailers: tuple[tuple[str, str], ...] = ()


def build(
    group: Group,
    files: Iterable[FileChange],
    base: Base,
    templates: Templates,
    surface: Surface,
    near: Sequence[Keep] = (),
) -> Proposal:
    """`near` is what the same workloads keep, so that the text can say why there is not more in it."""
    plan = plan_of(group.changes)
    words = _words(group)
    title = one_line(fill(templates.title, words), _LONGEST_TITLE)
    while title != without_marks(title):  # a name may end like that; the marks are the bot's
        title = without_marks(title)
    memo = hide(memo_of(group.key, plan, group.changes, title), surface.body_limit // 2)
    text = body(group, base, memo, surface, near)
    message = fill(templates.message, words | {"title": title, "body": message_body(group)})
    return Proposal(
        key=group.key,
        klass=group.klass,
        group=group.name,
        repository=base.repository,
        base=base.branch,
        base_commit=base.commit,
        branch=fill(templates.branch, {"class": group.klass.value, "group": group.segment}),
        mode=group.mode,
        plan=plan,
        title=title,
        body=text,
        message=message,
        trailers=tuple((name, fill(text, words | {"title": title})) for name, text in templates.trailers),
        labels=group.labels,
        files=tuple(files),
        changes=group.changes,
    )


def trailers(proposal: Proposal) -> Mapping[str, str]:
    """What the commit carries of itself, so that Git alone can tell what it is."""
    evidence = sorted(fingerprint(change.evidence) for change in proposal.changes)
    policies = sorted({change.evidence.policy for change in proposal.changes}, key=canonical.dump)
    names = dict.fromkeys(name for policy in policies for name in policy.names)
    return {
        "Reconcile-Key": proposal.key,
        "Reconcile-Plan": proposal.plan,
        "Reconcile-Policy": f"{', '.join(names)} ({canonical.digest(policies)[:16]})",
        "Reconcile-Evidence": canonical.digest(evidence),
        "Reconcile-Schema": SCHEMA,
        **dict(proposal.trailers),
    }


def _words(group: Group) -> dict[str, str]:
    about = scope(group.changes)
    return {
        "class": group.klass.value,
        "group": still(one_line(group.name, 80)),
        "type": _TYPES[group.klass] if about == RESOURCES else "chore",
        "scope": about,
        "subject": one_line(title_subject(group), 120),
        "count": str(len(group.changes)),
    }
