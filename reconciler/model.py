"""The records that every step speaks in.

Plain, frozen and printable. CPU is integer millicores, memory integer bytes, time integer
Unix seconds. Nothing in here does work: a step takes the records of the step before it and
returns its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

# ---------------------------------------------------------------------------------------------
# Identity
# ---------------------------------------------------------------------------------------------


class ContainerRef(NamedTuple):
    """One container as the cluster knows it. `cluster` and `namespace` are "" when unknown."""

    cluster: str
    namespace: str
    kind: str
    workload: str
    container: str

    def __str__(self) -> str:
        head = f"{self.cluster}:" if self.cluster else ""
        space = f"{self.namespace}/" if self.namespace else ""
        return f"{head}{space}{self.kind}/{self.workload}/{self.container}"


class Field(StrEnum):
    """What of a container can be set. The words are the ones of the JSON output."""

    CPU_REQUEST = "requests.cpu"
    MEMORY_REQUEST = "requests.memory"
    CPU_LIMIT = "limits.cpu"
    MEMORY_LIMIT = "limits.memory"
    IMAGE = "image"
    # what an autoscaler compares the use of its pods with, in per cent of what they request
    CPU_TARGET = "target.cpu"
    MEMORY_TARGET = "target.memory"

    @property
    def resource(self) -> str:
        """ "cpu" or "memory"; "" for an image."""
        return self.value.rpartition(".")[2] if self is not Field.IMAGE else ""

    @property
    def is_target(self) -> bool:
        return self in (Field.CPU_TARGET, Field.MEMORY_TARGET)


# Those that every container has, set or not; a target only one that is scaled by it.
FIELDS = tuple(field for field in Field if not field.is_target)


class Secret:
    """A token or a password. It shows itself only to who asks with `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


# ---------------------------------------------------------------------------------------------
# Where values live
# ---------------------------------------------------------------------------------------------

Key = str | int


class Place(NamedTuple):
    """A place in a repository; `inner` leads on inside a literal block (`values: |`)."""

    repository: str
    path: str
    document: int
    keys: tuple[Key, ...]
    inner: tuple[Key, ...] = ()


AS_IT_STANDS = "manifest"  # how the values of manifests are traced that nothing renders
IN_OVERLAY = "overlay"  # and those that only something new on top can set, such as a patch


class Slot(NamedTuple):
    """What one edit controls.

    `value` is the text in force, or None where nothing sets it; then `place` and `line` say
    where it would be added. `refused` is a reason when the place can't be edited safely.
    """

    place: Place
    line: int
    field: Field
    value: str | None
    consumers: tuple[ContainerRef, ...]
    how_traced: str = AS_IT_STANDS
    refused: Refused | None = None


class Aim(NamedTuple):
    """What a horizontal autoscaler wants the use of a resource to be.

    A utilization is a share of the request, so the number of pods depends on both; an amount is
    what it is, whatever is requested.
    """

    resource: str  # cpu | memory
    container: str  # whose use it is; "" for all of the pod together
    utilization: bool


class Scaler(NamedTuple):
    """An object in the repository that changes replicas or resources of a workload by itself."""

    kind: str  # HorizontalPodAutoscaler | VerticalPodAutoscaler | ScaledObject
    name: str
    resources: tuple[str, ...]  # of "cpu", "memory": what it scales on, or owns
    containers: tuple[str, ...]  # empty: all of them
    path: str
    line: int
    aims: tuple[Aim, ...] = ()  # on resources, of a horizontal one; () where it says none that can be read
    fewest: int = 0  # pods that a horizontal one keeps at least; 0 for none, or not known
    most: int = 0  # and at most


class LimitRange(NamedTuple):
    """What a LimitRange of the namespace says of one resource; None where it says nothing of it."""

    name: str
    kind: str  # Container | Pod
    resource: str  # cpu | memory
    minimum: int | None
    maximum: int | None
    ratio_permille: int | None  # a limit is at most this share of its request
    default_limit: int | None  # of a container that sets none; else its maximum, as Kubernetes has it
    default_request: int | None
    path: str
    line: int


class Quota(NamedTuple):
    """What a ResourceQuota allows to one field, over all pods of its namespace together."""

    name: str
    field: Field
    hard: int
    path: str
    line: int
    used: int = 0  # by all workloads that are known, at the replicas they run


class NodeSize(NamedTuple):
    """What the largest node of a cluster has to give to pods; None where nobody says."""

    cpu: int | None
    memory: int | None


class RuntimeOption(NamedTuple):
    """A size that a program is started with: what its command or its environment says of it.

    kind: heap | heap-start | heap-percent | native | direct | touched | soft-limit | no-gc | cache |
    cache-percent | processors | workers | given, a variable of any name that says what there is | unread |
    unread-count, of what can't be read.
    """

    name: str  # -Xmx, GOMEMLIMIT, gunicorn --workers
    where: str  # env JAVA_OPTS, args, ConfigMap web-env: JAVA_OPTS
    text: str  # as it is written there: 2g
    kind: str
    amount: int  # bytes, permille of the container's memory, or a number; 0 where it can't be known
    from_resources: str = ""  # what it is worked out from when the container starts: limits.memory, ...

    def __str__(self) -> str:
        """`-Xmx2g (env JAVA_OPTS)`, as it is written."""
        between = " " if self.name.startswith("--") or " " in self.name else "="
        if self.name in ("-Xmx", "-Xms") or not self.text:
            between = ""
        return f"{self.name}{between}{self.text} ({self.where})"


class Container(NamedTuple):
    ref: ContainerRef
    init: bool
    sidecar: bool  # an init container that keeps running (restartPolicy: Always)
    slots: tuple[Slot, ...]
    extras: tuple[str, ...] = ()  # what else its `resources` names: nvidia.com/gpu, ephemeral-storage, ...
    runtime: tuple[RuntimeOption, ...] = ()  # of the sizes that its program is started with those that count

    def slot(self, wanted: Field) -> Slot:
        return next(slot for slot in self.slots if slot.field is wanted)


class Workload(NamedTuple):
    """One object with a pod template, as the repository has it."""

    unit: str
    cluster: str
    namespace: str
    kind: str
    name: str
    repository: str
    path: str
    line: int
    replicas: int | None
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    scalers: tuple[Scaler, ...]
    containers: tuple[Container, ...]
    limit_ranges: tuple[LimitRange, ...] = ()  # of its namespace, wherever they stand
    quotas: tuple[Quota, ...] = ()
    pod_level: tuple[str, ...] = ()  # of "cpu", "memory": what its pods set as a whole
    node_selector: tuple[tuple[str, str], ...] = ()  # of its pods, ordered

    @property
    def files(self) -> tuple[str, ...]:
        """Where it is defined, and every file of its repository that one of its values stands in."""
        found = {self.path: None}
        for container in self.containers:
            for slot in container.slots:
                if slot.place.repository == self.repository:
                    found[slot.place.path] = None
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the report should know that is nobody's failure."""

    what: str  # a code: template, symlink, too-large, ...
    detail: str
    repository: str = ""
    path: str = ""
    line: int = 0


class Whose(StrEnum):
    """Who can mend it: the user, this program, or a server that it talks to."""

    YOURS = "yours"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True)
class Failure:
    """One target that could not be handled. The run goes on without it."""

    what: str  # the target, in the user's words
    whose: Whose
    error: str  # one sentence: what is wrong and what to do
    repository: str = ""
    path: str = ""
    line: int = 0


class UnitSeen(NamedTuple):
    """Something that is rendered in one go, and what came of it."""

    name: str
    repository: str
    path: str
    line: int
    cluster: str
    namespace: str
    kind: str  # helm | kustomize; "" when that isn't even known
    renderer: str
    containers: int
    refused: Refused | None


@dataclass(frozen=True, slots=True)
class Discovery:
    """What one snapshot of a repository holds."""

    repository: str
    commit: str  # "" for a folder that is no Git commit
    workloads: tuple[Workload, ...]
    failures: tuple[Failure, ...] = ()
    notes: tuple[Note, ...] = ()
    blobs: dict[str, str] = field(default_factory=dict)  # path -> blob id, of files with values
    units: tuple[UnitSeen, ...] = ()


class Entry(NamedTuple):
    """One leaf of a tree of files.

    `blob` names the content: equal ids mean equal bytes. Git's own id for a blob (a folder
    computes the same from the bytes), and the commit for a submodule.
    """

    path: str  # relative to the root, with `/`
    blob: str
    mode: int  # as Git writes it: 0o100644, 0o100755, 0o120000 a symlink, 0o160000 a submodule


# ---------------------------------------------------------------------------------------------
# Why not
# ---------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """Every reason for which a value is kept. The list is closed; docs/reasons.md explains each."""

    # the numbers
    IN_BAND = "in-band"
    TOO_SMALL = "too-small"
    COOL_DOWN = "cool-down"
    AT_FLOOR = "at-floor"
    AT_CEILING = "at-ceiling"
    ONLY_RAISED = "only-raised"
    LIMIT_BELOW = "limit-below"
    UNWANTED_LIMIT = "unwanted-limit"
    QOS_CLASS = "qos-class"
    LIMIT_RANGE = "limit-range"
    QUOTA = "quota"
    NODE_SIZE = "node-size"
    ACCELERATOR = "accelerator"
    POD_LEVEL = "pod-level"
    HEAP_FLOOR = "heap-floor"
    PERCENTAGE_HEAP = "percentage-heap"
    HEAP_ABOVE_LIMIT = "heap-above-limit"
    # the evidence
    NO_METRICS = "no-metrics"
    THIN_EVIDENCE = "thin-evidence"
    LOW_COVERAGE = "low-coverage"
    PARTIAL_METRICS = "partial-metrics"
    STALE_METRICS = "stale-metrics"
    THROTTLED = "throttled"
    OOM_KILLED = "oom-killed"
    LEAKING = "leaking"
    AT_LIMIT = "at-limit"
    RESTARTS = "restarts"
    GUESSED_OWNER = "guessed-owner"
    AMBIGUOUS_CLUSTER = "ambiguous-cluster"
    CONSUMER_WITHOUT_METRICS = "consumer-without-metrics"
    PEER_WITHOUT_METRICS = "peer-without-metrics"
    # other owners of the value
    SCALED_BY_HPA = "scaled-by-hpa"
    SCALED_BY_VPA = "scaled-by-vpa"
    SCALED_BY_KEDA = "scaled-by-keda"
    WRITTEN_BY_FLUX = "written-by-flux"
    # people and policies
    OBSERVED = "observed"
    OPTED_OUT = "opted-out"
    NOT_MANAGED = "not-managed"
    FROZEN = "frozen"
    PLANNED_PEAK = "planned-peak"
    REJECTED = "rejected"
    INIT_CONTAINER = "init-container"
    SAFETY_FIRST = "safety-first"
    NEEDS_APPROVAL = "needs-approval"
    NOT_SCHEDULED = "not-scheduled"
    SYNC_WINDOW = "sync-window"
    QUEUED = "queued"
    TOO_MANY_ALARMS = "too-many-alarms"
    # images
    UP_TO_DATE = "up-to-date"
    NO_CHOICE = "no-choice"
    NOT_ANSWERED = "not-answered"
    TOO_YOUNG = "too-young"
    UNSIGNED = "unsigned"
    MISSING_PLATFORM = "missing-platform"
    SAME_CONTENT = "same-content"
    HELD = "held"
    OWNED_BY = "owned-by"
    PINNED = "pinned"
    MOVES_TOGETHER = "moves-together"
    SCALED_TOGETHER = "scaled-together"
    # the source text
    UNSET = "unset"
    SHARED_ANCHOR = "shared-anchor"
    ALIASED = "aliased"
    BLOCK_SCALAR = "block-scalar"
    COMPLEX_KEY = "complex-key"
    DUPLICATE_KEY = "duplicate-key"
    NOT_A_SCALAR = "not-a-scalar"
    BAD_QUANTITY = "bad-quantity"
    TEMPLATE = "template"
    RENDERED = "rendered"
    ENCODING = "encoding"
    DEFINED_TWICE = "defined-twice"
    UNPROVEN = "unproven"
    # the rendering
    RENDER_FAILED = "render-failed"
    RENDER_LIMIT = "render-limit"
    MISSING_TOOL = "missing-tool"
    MISSING_DEPENDENCY = "missing-dependency"
    CHART_UNAVAILABLE = "chart-unavailable"
    REMOTE_BASE = "remote-base"
    # from a rendered value back to its line
    NOT_TRACED = "not-traced"
    COMPUTED = "computed"
    NO_EFFECT = "no-effect"
    SIDE_EFFECT = "side-effect"
    # what is rendered together
    UNKNOWN_SOURCE = "unknown-source"
    OTHER_REVISION = "other-revision"
    ENCRYPTED = "encrypted"
    PLUGIN = "plugin"
    UNSUPPORTED = "unsupported"
    NOT_DEPLOYABLE = "not-deployable"
    # what Argo CD makes of it
    RENDERS_DIFFERENTLY = "renders-differently"
    NOT_COMPARED = "not-compared"
    IGNORED_DIFFERENCE = "ignored-difference"
    NOT_WATCHED = "not-watched"


class Refused(NamedTuple):
    """A reason, and the one sentence that makes it concrete."""

    reason: Reason
    detail: str


# ---------------------------------------------------------------------------------------------
# Usage
# ---------------------------------------------------------------------------------------------


class Sketch(NamedTuple):
    """A histogram: how many samples had which value, ascending. At most 1 % off, maximum exact."""

    values: tuple[int, ...]
    counts: tuple[int, ...]

    def quantile(self, permille: int) -> int:
        """The smallest value that at least `permille` of the samples do not pass; 0 when empty."""
        sums = list(accumulate(self.counts))
        if not sums:
            return 0
        wanted = -(-sums[-1] * permille // 1000)
        at = bisect_left(sums, wanted)
        return self.values[at] if at < len(sums) else 0


class DayPeaks(NamedTuple):
    """One day (days since 1970-01-01, UTC) of a container, pooled over its pods."""

    day: int
    samples: int
    cpu_p95: int
    cpu_max: int
    memory_max: int


class OomKill(NamedTuple):
    day: int
    kills: int
    limit: int  # the memory limit at that time, in bytes; 0 when there was none or it is unknown


class Restarts(NamedTuple):
    """How often a container was restarted on one day (days since 1970-01-01, UTC)."""

    day: int
    restarts: int


class BusyHour(NamedTuple):
    """An hour of the week in which a container needs much CPU."""

    hour: int  # of the week: 0 is Monday 00:00 UTC
    cpu: int  # millicores that 95 of 100 samples of that hour don't pass in its busiest week, all pods pooled
    weeks: int  # of the window on which that hour has samples


class Usage(NamedTuple):
    """What one container used within the window, as far as the source knows."""

    source: str  # name of the metrics source
    query: str  # hash of how it was asked: step, window, rules
    start: int
    end: int
    step: int
    samples: int
    expected: int  # pods' lifetimes divided by the step
    pods: int
    replicas: int  # the last seen
    cpu: Sketch
    cpu_worst_pod: Sketch
    memory: Sketch
    memory_worst_pod: Sketch
    rss_max: int
    days: tuple[DayPeaks, ...]
    oom_kills: tuple[OomKill, ...]
    throttled_permille: int | None  # None: no CPU limit was in force, so nothing could throttle
    restarts: int
    owner_guessed: bool = False
    incomplete: str = ""  # what of the source could not be read; then nothing is lowered
    forgotten: int = 0  # the last day of the window that nobody knows any more, where that is all; 0 for none
    scaled_on: tuple[str, ...] = ()  # of "cpu", "memory": a HorizontalPodAutoscaler was seen to scale on them
    busy_hours: tuple[BusyHour, ...] = ()  # the busiest of the week, highest first, at most three
    cpu_decayed: Sketch = Sketch((), ())  # as cpu, older days weighing less; empty when nobody asked for it
    restart_days: tuple[Restarts, ...] = ()  # those with some, ascending

    @property
    def coverage_permille(self) -> int:
        return min(1000, self.samples * 1000 // self.expected) if self.expected else 0


class NoUsage(NamedTuple):
    """The other outcome of asking for usage, with its reason."""

    reason: Reason
    detail: str


class Cost(NamedTuple):
    """What one source of utilization was asked for, and what its server had to do."""

    source: str
    series: int
    points: int
    queries: int
    bytes: int
    samples: int  # that the server looked at, as far as it tells; else 0
    seconds: float
    days_read: int
    days_known: int  # from earlier: they were not asked for again
    estimated_seconds: float


# ---------------------------------------------------------------------------------------------
# Policies, resolved for one container
# ---------------------------------------------------------------------------------------------


class Mode(StrEnum):
    OBSERVE = "observe"
    PROPOSE = "propose"
    MERGE = "merge"


class LevelPolicy(NamedTuple):
    """How the request of one resource is worked out."""

    estimator: str  # auto, or the name of one of sizing.estimators
    percentile_permille: int
    headroom_percent: int
    floor: int
    ceiling: int | None
    round_to: int
    smallest_change: int  # over all replicas together; savings worth less are kept
    missing: str  # add | keep
    limit: str  # keep | raise | equal | ratio | multiple | none: what happens to the limit
    limit_percent: int = 0  # multiple: the limit in per cent of the request
    missing_limit: str = "keep"  # add | keep: whether a container without a limit gets one
    lower_limit: bool | None = None  # None: of CPU alone
    whole: bool = False  # containers with whole CPUs to themselves keep whole ones
    half_life_days: int = 0  # after so many days what was used counts half as much; 0: all days count alike
    fixed_heap: str = "floor"  # floor | hold | ignore: what a heap of a fixed size does to the memory request
    percentage_heap: str = "keep"  # keep | lower: whether usage lowers memory that a heap takes a share of
    raise_extra_percent: int = 0  # on top of the headroom, when a request is raised
    recent_days: int = 0  # to whose peak a request is raised that a longer memory lowers; 0: the window


class SizingPolicy(NamedTuple):
    cpu: LevelPolicy
    memory: LevelPolicy
    window_days: int
    min_days: int
    min_coverage_permille: int
    band_up_percent: int
    band_down_percent: int
    step_up_percent: int
    step_down_percent: int
    cool_down: int
    throttled_permille: int
    raised_only_kinds: tuple[str, ...]
    manage_init: bool
    smallest_savings: Amount | None = None  # a month; what saves less is kept
    known_days: int = 0  # until now, for lowering where a window's begin is forgotten; 0 for all of it
    weekend: bool = False  # a weekday and a day of a weekend must have been seen
    stale_after: int = 0  # seconds without a sample after which nothing is lowered; 0 for any age
    quiet_days: int = 0  # without a kill, under a higher limit, after which it holds no more; 0 for never
    most_restarts: int = 0  # since the last change, more often than before; 0 for any number
    qos_class: str = "change"  # keep | change: whether changes may turn a Guaranteed pod into a Burstable one
    accelerators: str = "manage"  # raise | manage: what becomes of containers with a GPU or the like
    advises_replicas: bool = False  # whether the bounds of autoscalers are looked at, and told of
    band_adapts: str = "none"  # none | small | all: whose dead band is another than the one that is said


class Freeze(NamedTuple):
    start: int
    end: int
    why: str


class PlannedPeak(NamedTuple):
    """Days for which a load is expected that recent use doesn't show: until their end it is a floor."""

    start: int
    end: int
    why: str
    cpu: int = 0  # the level that is stated; 0 for none
    memory: int = 0
    as_last_year: bool = False  # what was needed in the same days a year before
    yearly: bool = False  # it comes again every year
    lead: int = 0  # seconds before the first day from which on it holds


class PeerRule(NamedTuple):
    """In what containers may differ and are peers still: each a list of patterns, () for in nothing."""

    clusters: tuple[str, ...]
    namespaces: tuple[str, ...]
    names: tuple[str, ...]
    within: tuple[str, ...] = ()  # only among the workloads that these policies, of a team, are about


class ImagePolicy(NamedTuple):
    """Which tags may follow the one in force, and what must be known of them before."""

    strategy: str = "auto"
    range: str | None = None
    filter: str | None = None
    extract: str | None = None
    order: str = "asc"
    level: str = "major"
    pre_releases: bool = False
    minimum_age: int = 0  # seconds
    signed_by: tuple[str, ...] = ()  # names of keys; one of them must have signed it
    digest: str = "keep"  # keep | pin: whether the digest is written beside the tag
    pin: str | None = None  # the only tag that there may be
    ignore: tuple[str, ...] = ()  # patterns of tags that are never taken
    hold_until: int = 0  # nothing is changed before
    platforms: tuple[str, ...] = ()  # that must be there, besides those of the image in force
    together: str | None = None  # name of those that move to one tag at once, or not at all


class Hours(NamedTuple):
    """When merge requests may be opened, each week anew."""

    days: tuple[int, ...]  # on which it begins; 0 is Monday
    start: int  # minutes after midnight, as the clock on the wall shows them
    end: int  # more than 1440 on the next day


class Gates(NamedTuple):
    """What a new merge request has to pass, and whom it asks."""

    hours: tuple[Hours, ...] = ()  # any of them; () for always
    time_zone: str = "UTC"
    approval: str = "none"  # none | required: whether somebody has to ask for it first
    most_open: int | None = 20  # at the same time, of a repository; None for any number
    per_hour: int | None = 10  # new ones of a repository
    per_run: int | None = None  # new ones of all repositories
    per_week: int | None = None  # new ones of a repository
    per_owner: int | None = None  # open at the same time
    owner: str = ""  # "": whom CODEOWNERS names
    reviewers_from: str = "codeowners"  # codeowners | names | none
    reviewers: tuple[str, ...] = ()
    rejected_for: int | None = None  # seconds that a person's "no" holds; None: until the numbers move


class Policy(NamedTuple):
    """Everything that policies say about one container, and which of them said it."""

    names: tuple[str, ...]  # highest rank first
    resources_mode: Mode
    images_mode: Mode
    sizing: SizingPolicy
    group: str  # application | namespace | workload | all
    freezes: tuple[Freeze, ...]
    labels: tuple[str, ...]
    place: str = "source"  # source | overlay: where a value is written that several layers could hold
    derived: str = "refuse"  # refuse | allow: what a chart works out from a changed value
    peers: PeerRule | None = None
    planned: tuple[PlannedPeak, ...] = ()
    twins: PeerRule | None = None  # from whom a container without history gets its first request
    images: ImagePolicy = ImagePolicy()
    images_said: bool = False  # whether anybody but the default says something of images
    gates: Gates = Gates()
    image_requests: str = "separate"  # separate | together: whether images share the requests of savings


# ---------------------------------------------------------------------------------------------
# What policies say of values that stand outside of manifests
# ---------------------------------------------------------------------------------------------

CUSTOM_RESOURCE = "custom-resource"  # how_traced begins with it where an operator's object holds the value


class PathStep(NamedTuple):
    """One step of a path through a document: to one value, or with `*` to any that is there."""

    how: str  # key | item | any-key | any-item
    word: Key = ""  # the key, or the item's position
    by: str = ""  # any-item: only those that have this key
    text: str = ""  # any-item: and under it this text; "" for any
    name: str = ""  # by which a template asks for what was found


class Reference(NamedTuple):
    """What a template takes from the document: a name that a path gave, or the text at a path."""

    name: str
    path: tuple[PathStep, ...] = ()
    relative: bool = False  # the path begins where `each` led


Template = tuple[str | Reference, ...]


class MappedValue(NamedTuple):
    """Where a document holds one field, and in which form."""

    field: Field
    path: tuple[PathStep, ...]
    relative: bool
    form: str = ""  # a unit, or tag | digest; "" as Kubernetes writes it
    repository: Template = ()  # of an image whose tag or digest stands alone


class FieldMapping(NamedTuple):
    """Which values of some files are fields of which container."""

    name: str
    files: tuple[str, ...]  # patterns as in a .gitignore; () for all YAML and JSON
    when: tuple[tuple[tuple[PathStep, ...], tuple[str | None, ...]], ...]  # path, and what it may hold
    each: tuple[PathStep, ...]  # to every part of the document that means a container of its own
    container: tuple[Template, ...]  # namespace, kind, workload, container
    values: tuple[MappedValue, ...]
    adds: bool  # holds without any of its values, which then can be added
    repository: str = ""  # the only one it is about, when a team says it
    where: str = ""  # file and line of the policy; "" when it ships with the program


# ---------------------------------------------------------------------------------------------
# Decisions
# ---------------------------------------------------------------------------------------------


class ChangeClass(StrEnum):
    SAFETY = "safety"
    SAVINGS = "savings"
    IMAGE = "image"


class Price(NamedTuple):
    """What an hour of requested CPU and memory costs, in millionths of the currency."""

    currency: str  # as ISO 4217 writes it
    core_hour: int
    gib_hour: int
    source: str  # who says so


class Amount(NamedTuple):
    """So much money. Without a currency it is in that of whatever it is compared with."""

    millionths: int
    currency: str = ""


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Worth(NamedTuple):
    """What a change moves a month, and what could go wrong with it."""

    monthly: Amount  # below zero it saves
    source: str  # who says what it costs
    risk: Risk
    why: str  # what makes it that risky


class Sibling(NamedTuple):
    """Another container of the pod, with what is in force of it: None where nothing is.

    As Kubernetes has it: a limit counts as the request that isn't set, and so do the namespace's defaults.
    """

    container: str
    init: bool
    sidecar: bool
    cpu_request: int | None
    memory_request: int | None
    cpu_limit: int | None
    memory_limit: int | None
    unknown: bool = False  # one of them can't be read


class Peer(NamedTuple):
    """That a container's needs count for others, and what must be known of one that has lines of its own."""

    of: tuple[ContainerRef, ...]
    cpu_limit: int  # 0 where there is none
    memory_limit: int


class Consumer(NamedTuple):
    """One container that a slot feeds, or a peer of one, with all that sizing must know of it."""

    ref: ContainerRef
    usage: Usage | NoUsage
    replicas: int
    init: bool
    sidecar: bool
    scalers: tuple[Scaler, ...]
    peer: Peer | None = None
    siblings: tuple[Sibling, ...] = ()  # the other containers of its pod
    own: Sibling | None = None  # itself, where other than the slots say: of one that shares only some lines
    limit_ranges: tuple[LimitRange, ...] = ()  # of its namespace
    quotas: tuple[Quota, ...] = ()
    node: NodeSize | None = None
    extras: tuple[str, ...] = ()  # what else its `resources` names: nvidia.com/gpu, ephemeral-storage, ...
    pod_level: tuple[str, ...] = ()  # of "cpu", "memory": what the pod itself sets, for all its containers
    price: Price | None = None  # where it is another than the evidence's
    runtime: tuple[RuntimeOption, ...] = ()
    targets: tuple[Slot, ...] = ()  # of autoscalers that count its request, as it stands in their manifests
    stated: tuple[int, int] = (0, 0)  # of a twin: its own requests of CPU and memory; 0 where there is none


class Beside(NamedTuple):
    """The change of another container of the same pods that the same autoscaler counts: both are one."""

    values: tuple[NewValue, ...]  # without targets: those are worked out for all of them together
    klass: ChangeClass
    because: str
    worth: Worth | None = None


class YearBefore(NamedTuple):
    """What those whose needs count used in the days of a planned peak, a year before."""

    start: int
    end: int
    consumers: tuple[Consumer, ...]


class LastChange(NamedTuple):
    """The last change of a slot that was merged, as the ledger has it."""

    at: int
    field: Field
    old: int
    new: int


class TagSeen(NamedTuple):
    """What a registry tells of one tag."""

    tag: str
    digest: str
    platforms: tuple[tuple[str, str], ...]  # each with the digest of its image; one "" for a plain image
    since: int | None  # by when it was there at the latest; None: never seen before
    known_by: str  # pushed | last-modified | first-seen; how that is known
    created: int | None = None  # as the image itself says, which nobody checks
    signed_by: str = ""  # name of the key; "" where none of the wanted ones signed it
    labels: tuple[tuple[str, str], ...] = ()


class Hold(NamedTuple):
    """A person's "no" to a tag: it and all below it stay away until something newer is there."""

    tag: str
    at: int
    why: str  # in words
    digest: str = ""  # of a tag that moves: the "no" is to what it pointed to, and to nothing else


class ImageFacts(NamedTuple):
    """What the decision on an image sees of registry and history."""

    current: TagSeen | None  # None where the registry doesn't have the tag in force
    finalists: tuple[TagSeen, ...]  # of those that the rule lets through, the best first
    tags: int  # how many there are in all
    lost: tuple[tuple[str, str], ...] = ()  # the nearest others, each with why it isn't the one
    none: str = ""  # why nothing can follow; "" where something can
    unanswered: str = ""  # why the registry gave no answer; "" where it did
    owner: str = ""  # who else changes this image
    holds: tuple[Hold, ...] = ()


class Evidence(NamedTuple):
    """All that a decision sees. From it alone the same decision follows, on any machine."""

    now: int
    repository: str
    commit: str
    blob: str
    slots: tuple[Slot, ...]  # the four resource slots that one container's `resources` has
    consumers: tuple[Consumer, ...]  # everyone they feed, and then their peers
    policy: Policy
    last_changes: tuple[LastChange, ...]
    opted_out: str = ""  # the annotation that opts out, or ""
    price: Price | None = None
    beside: tuple[Beside, ...] = ()  # what else of the same pods changes in this run
    raise_only: str = ""  # the annotation that says so, or ""
    twins: tuple[Consumer, ...] = ()  # the same elsewhere, where there is no history here
    last_year: tuple[YearBefore, ...] = ()  # what was used in the days of planned peaks, a year before
    image: ImageFacts | None = None  # of a decision on an image; its slot is the only one then

    @property
    def fed(self) -> tuple[Consumer, ...]:
        """Everyone that gets a value from one of the lines."""
        refs = {ref for slot in self.slots for ref in slot.consumers}
        return tuple(one for one in self.consumers if one.peer is None or one.ref in refs)

    @property
    def peers(self) -> tuple[Consumer, ...]:
        """Those with lines of their own, whose needs count as well."""
        fed = {one.ref for one in self.fed}
        return tuple(one for one in self.consumers if one.ref not in fed)


class NewValue(NamedTuple):
    slot: Slot
    new: str


class Stage(NamedTuple):
    """One step on the way from samples to a number, for `reconcile explain`."""

    name: str
    value: int | None
    words: str


class Proof(NamedTuple):
    """What rendering a unit before and after an edit showed to differ: this, and nothing else."""

    unit: str
    renderer: str
    changed: tuple[str, ...]  # each container with its field
    copies: tuple[str, ...]  # of an image's tag, that followed it
    derived: tuple[str, ...]  # what the chart worked out from the new values, as the policy allows
    carried: tuple[str, ...]  # values set besides, so that the rest stays as it was
    noise: int  # places that differ between any two renders


class Lived(NamedTuple):
    """What a request would have meant over some days that are past."""

    request: int
    days_over: int  # of memory: on which the peak passes it
    seconds_over: int  # of CPU: of samples above it, each day, of all pods together
    slack_permille: int  # of it that was not used on average; below 0 where more was


class Hindsight(NamedTuple):
    """Had a new request been in force over the days of the window, and had the old one."""

    field: Field
    days: int  # with samples, of everyone that the line feeds
    containers: int
    old: Lived | None  # None where none is in force
    new: Lived


class Change(NamedTuple):
    """New values that stand or fall together."""

    values: tuple[NewValue, ...]
    klass: ChangeClass
    because: str
    evidence: Evidence
    stages: tuple[Stage, ...]
    proofs: tuple[Proof, ...] = ()  # one a unit that renders the values; none for plain manifests
    worth: Worth | None = None  # None where nothing is known of prices
    hindsight: Hindsight | None = None  # None where nothing was measured of those that the line feeds


class Keep(NamedTuple):
    slot: Slot
    reason: Reason
    detail: str
    stages: tuple[Stage, ...] = ()
    ref: ContainerRef | None = None  # whom it was decided for; others may share the slot


Decision = Change | Keep


# ---------------------------------------------------------------------------------------------
# Text
# ---------------------------------------------------------------------------------------------


class Edit(NamedTuple):
    """Replace text[start:end]; offsets count characters."""

    start: int
    end: int
    text: str


class FileChange(NamedTuple):
    path: str
    before: bytes
    after: bytes


# ---------------------------------------------------------------------------------------------
# Proposals and actions
# ---------------------------------------------------------------------------------------------


class Proposal(NamedTuple):
    """What one merge request would hold."""

    key: str
    klass: ChangeClass
    group: str
    repository: str
    base: str  # branch
    base_commit: str
    branch: str
    mode: Mode
    plan: str  # hash of the edits alone: it decides whether to push
    title: str
    body: str
    message: str
    trailers: tuple[tuple[str, str], ...]  # of the operator's own, e.g. a ticket
    labels: tuple[str, ...]
    files: tuple[FileChange, ...]
    changes: tuple[Change, ...]
    reviewers: tuple[str, ...] = ()  # users, and teams as `organisation/team`
    merge_waits: str = ""  # why the bot would not merge it now, though the policy lets it


class Do(StrEnum):
    OPEN = "open"
    UPDATE = "update"
    LEAVE = "leave"
    CLOSE = "close"
    REOPEN = "reopen"
    MERGE = "merge"
    REVERT = "revert"
    WAIT = "wait"


class Action(NamedTuple):
    do: Do
    repository: str
    key: str
    branch: str
    url: str
    changes: tuple[str, ...]  # ids
    why: str


class MergeRequest(NamedTuple):
    """A merge request as a forge has it."""

    number: int
    url: str
    branch: str
    base: str  # target branch
    head: str  # commit id of the source branch, as last seen
    state: str  # open | merged | closed
    title: str
    body: str
    labels: tuple[str, ...]
    opened_at: int
    ended_at: int = 0  # merged or closed
    ended_by: str = ""
    merge_commit: str = ""  # also of a squash or a rebase
    author: str = ""  # who opened it; "" where the forge does not tell
    draft: bool = False
    reviewers: tuple[str, ...] = ()


class Commit(NamedTuple):
    """A commit that is to be: files on top of another one."""

    parent: str
    files: dict[str, bytes]
    message: str
    executable: frozenset[str] = frozenset()  # those of the files that may be run


class RefUpdate(NamedTuple):
    """Move `ref` to `new`, if the remote still has `expected` ("" = must not exist yet).

    `new` "" deletes it.
    """

    ref: str
    new: str
    expected: str


class LedgerEntry(NamedTuple):
    """One line of the ledger branch: what happened to a key, and the facts of it."""

    at: int
    event: str  # what docs/git.md lists
    key: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one run."""

    now: int
    changes: tuple[Change, ...] = ()
    kept: tuple[Keep, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    actions: tuple[Action, ...] = ()
    failed: tuple[Failure, ...] = ()
    notes: tuple[Note, ...] = ()
    stats: dict[str, int] = field(default_factory=dict)
    costs: tuple[Cost, ...] = ()


def containers(workloads: tuple[Workload, ...]) -> Iterator[tuple[Workload, Container]]:
    for workload in workloads:
        for container in workload.containers:
            yield workload, container
