"""The questions, in PromQL: what is asked of which series, by which labels.

All text that reaches a question from outside (namespaces, pods, clusters) goes through `text` or
`pattern`: a name with a quote or a newline in it is a name, and never a piece of a query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

STEP: Final = 300  # seconds between two samples of ours
COUNTED: Final = 900  # seconds between two looks at whether samples are there
SCRAPES_IN_RATE: Final = 4  # fewer, and a late scrape leaves a hole

CPU: Final = "container_cpu_usage_seconds_total"
MEMORY: Final = "container_memory_working_set_bytes"
RSS: Final = "container_memory_rss"
THROTTLED: Final = "container_cpu_cfs_throttled_periods_total"
PERIODS: Final = "container_cpu_cfs_periods_total"
OOM_EVENTS: Final = "container_oom_events_total"
RESTARTS: Final = "kube_pod_container_status_restarts_total"
LAST_REASON: Final = "kube_pod_container_status_last_terminated_reason"
REASON: Final = "kube_pod_container_status_terminated_reason"
REQUESTS: Final = "kube_pod_container_resource_requests"
LIMITS: Final = "kube_pod_container_resource_limits"
POD_OWNER: Final = "kube_pod_owner"
PHASE: Final = "kube_pod_status_phase"
MADE: Final = "kube_namespace_created"
HPA_INFO: Final = "kube_horizontalpodautoscaler_info"
HPA_TARGET: Final = "kube_horizontalpodautoscaler_spec_target_metric"
NODE_CPU_COST: Final = "node_cpu_hourly_cost"
NODE_RAM_COST: Final = "node_ram_hourly_cost"
# Beside the root of a node's groups of processes, which is often dropped.
NODES: Final = ("machine_memory_bytes", "container_scrape_error", "cadvisor_version_info")
_ROOT: Final = 'id="/"'
# Of the kubernetes-mixin: the rate of each container, worked out already. Only its rules of CPU are
# used: those of memory look at single moments and miss the peaks between them.
CPU_RULE: Final = "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m"
RULE_WINDOW: Final = 300

_PLAIN_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Names(NamedTuple):
    """What the labels of a series are called."""

    namespace: str = "namespace"
    pod: str = "pod"
    container: str = "container"


class Labels(NamedTuple):
    """Label names of the kubelet's series, of kube-state-metrics', and the one that names a cluster."""

    cadvisor: Names = Names()
    state: Names = Names()
    cluster: str = "cluster"


_EXPORTED: Final = Names("exported_namespace", "exported_pod", "exported_container")
PRESETS: Final[Mapping[str, Labels]] = {
    "kube-prometheus": Labels(),
    "exported": Labels(state=_EXPORTED),  # kube-state-metrics scraped with honor_labels: false
    "gmp": Labels(),  # Google's own manifests leave kube-state-metrics its labels
    "azure": Labels(),
    "legacy": Labels(cadvisor=Names("namespace", "pod_name", "container_name")),  # Kubernetes before 1.16
}


class Scope(NamedTuple):
    """Whose series are meant: one cluster's, told by labels, or whatever the server has."""

    cluster: str  # its name in the settings; "" where no label tells the clusters apart
    matchers: tuple[tuple[str, str], ...] = ()
    telling: tuple[str, ...] = ()  # labels by which other clusters are told that these matchers let in
    others: tuple[tuple[tuple[str, str], ...], ...] = ()  # what each of those has, so that it is left out

    @property
    def pinned(self) -> bool:
        return bool(self.matchers)


def text(value: str) -> str:
    """A string of PromQL."""
    return json.dumps(value, ensure_ascii=False)


def pattern(values: Iterable[str]) -> str:
    """A string of PromQL with a pattern that matches exactly these."""
    return text("|".join(re.escape(value) for value in values))


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else text(name)


class Questions(NamedTuple):
    """How one cluster's series are asked for."""

    scope: Scope
    labels: Labels = Labels()
    only_images: bool = True  # rows without an image are groups of processes, where images are told at all

    # ---- series ----------------------------------------------------------------------------

    def cadvisor(self, metric: str, namespaces: Iterable[str] | None, more: str = "") -> str:
        """The containers of these namespaces; without the pods' own rows and their pause containers."""
        names = self.labels.cadvisor
        parts = [*self._scope(), *_in(names.namespace, namespaces)]
        parts += [f'{names.container}!=""', f'{names.container}!="POD"']
        parts += ['image!=""'] if self.only_images else []
        return f"{metric}{{{','.join([*parts, *_more(more)])}}}"

    def rule(self, namespaces: Iterable[str] | None) -> str:
        parts = [*self._scope(), *_in(self.labels.cadvisor.namespace, namespaces)]
        return f"{CPU_RULE}{{{','.join(parts)}}}"

    def state(self, metric: str, namespaces: Iterable[str] | None, more: str = "") -> str:
        """What kube-state-metrics tells of these namespaces."""
        parts = [*self._scope(), *_in(self.labels.state.namespace, namespaces), *_more(more)]
        return f"{metric}{{{','.join(parts)}}}"

    def pulses(self) -> tuple[str, ...]:
        """Series of which a node has one as long as its containers are scraped; many servers drop some."""
        told = self._scope()
        roots = f"{MEMORY}{{{','.join([*told, _ROOT])}}}"
        of_them = f"{{{','.join(told)}}}" if told else ""
        return (roots, *(f"{metric}{of_them}" for metric in NODES))

    def _scope(self) -> list[str]:
        return [f"{_label(name)}={text(value)}" for name, value in self.scope.matchers]

    # ---- grouping ---------------------------------------------------------------------------

    def by(self, *names: str) -> str:
        """Grouped by these, and by the cluster where nothing else tells whose a series is."""
        return f"by ({','.join(_label(name) for name in (*self._telling, *names))})"

    @property
    def _telling(self) -> tuple[str, ...]:
        """Of pinned series the cluster is known; those of several servers may name it in several ways."""
        own = () if self.scope.pinned else (self.labels.cluster,)
        return tuple(dict.fromkeys((*own, *self.scope.telling)))

    def whose(self, series: Mapping[str, str]) -> str | None:
        """The cluster as far as labels tell; None for a series that another cluster of the settings has."""
        if any(all(series.get(name) == text for name, text in other) for other in self.scope.others):
            return None
        return "/".join(filter(None, map(series.get, self._telling)))

    @property
    def containers(self) -> str:
        return self.by(*self.labels.cadvisor)

    @property
    def state_containers(self) -> str:
        return self.by(*self.labels.state)

    # ---- questions of a range: one point a step ----------------------------------------------
    # The large ones come as they are, one answer a series: putting the duplicates together costs a
    # server as much as the rest of the question, and us next to nothing.

    def cpu(self, namespaces: Iterable[str] | None, window: int) -> str:
        """Cores, of each series."""
        return f"rate({self.cadvisor(CPU, namespaces)}[{window}s])"

    def memory(self, namespaces: Iterable[str] | None, window: int) -> str:
        """The highest working set within each step, not the one at its end."""
        return f"max_over_time({self.cadvisor(MEMORY, namespaces)}[{_span(window)}])"

    def restarts(self, namespaces: Iterable[str] | None, window: int, pods: Sequence[str] = ()) -> str:
        """How often each container was restarted so far; those that never were are not sent."""
        more = f"{_label(self.labels.state.pod)}=~{pattern(pods)}" if pods else ""
        return f"max {self.state_containers} ({self._each(RESTARTS, namespaces, more, window)})"

    def oom_events(self, namespaces: Iterable[str] | None, window: int) -> str:
        return f"max {self.containers} ({self._lately(self.cadvisor(OOM_EVENTS, namespaces), window)} > 0)"

    def oom_killed(self, metric: str, namespaces: Iterable[str] | None, window: int) -> str:
        """1 while the (last) end of a container is told to have been for lack of memory."""
        series = self._each(metric, namespaces, 'reason="OOMKilled"', window)
        return f"max {self.state_containers} ({series})"

    def memory_limits(self, namespaces: Iterable[str], pods: Iterable[str], window: int) -> str:
        more = f'resource="memory",{_label(self.labels.state.pod)}=~{pattern(pods)}'
        return f"max {self.state_containers} ({self._each(LIMITS, namespaces, more, window)})"

    def _each(self, metric: str, namespaces: Iterable[str] | None, more: str, window: int) -> str:
        """What was told lately and isn't zero, of containers and of init containers."""
        names = list(namespaces) if namespaces is not None else None
        told = (self._lately(self.state(each, names, more), window) for each in (metric, of_init(metric)))
        return " or ".join(f"{series} > 0" for series in told)

    @staticmethod
    def _lately(series: str, window: int) -> str:
        """As it was last seen. A server looks back five minutes by itself."""
        return series if window <= STEP else f"last_over_time({series}[{window}s])"

    # ---- questions of a moment: one number for all that lies before it ------------------------

    def rss(self, namespaces: Iterable[str] | None, window: int) -> str:
        return f"max {self.containers} (max_over_time({self.cadvisor(RSS, namespaces)}[{_span(window)}]))"

    def increase(self, metric: str, namespaces: Iterable[str] | None, window: int) -> str:
        """By container of a pod. A container that was restarted is a series of its own, by its id."""
        series = f"increase({self.cadvisor(metric, namespaces)}[{_span(window)}])"
        each = f"max {self.by(*self.labels.cadvisor, 'id')} ({series})"
        return f"sum {self.containers} ({each})"

    def in_force(self, metric: str, namespaces: Iterable[str] | None, window: int) -> str:
        """Requests or limits as they were stated last; a window of zero is for pods that live now."""
        series = self._last(self.state(metric, namespaces, 'resource=~"cpu|memory"'), window)
        return f"max {self.by(*self.labels.state, 'resource')} ({series})"

    def pod_owners(self, namespaces: Iterable[str] | None, window: int) -> str:
        names = self.labels.state
        by = self.by(names.namespace, names.pod, "owner_kind", "owner_name", "owner_is_controller")
        return f"max {by} ({self._last(self.state(POD_OWNER, namespaces), window)})"

    def running(self, namespaces: Iterable[str] | None, pods: Iterable[str], window: int) -> str:
        """For how many steps each of these pods ran."""
        names = self.labels.state
        more = f'phase="Running",{_label(names.pod)}=~{pattern(pods)}'
        series = f"sum_over_time({self.state(PHASE, namespaces, more)}[{window}s:{STEP}s])"
        return f"max {self.by(names.namespace, names.pod)} ({series})"

    @staticmethod
    def _last(series: str, window: int) -> str:
        return f"last_over_time({series}[{window}s])" if window else series

    def restarted(self, namespaces: Iterable[str] | None, window: int) -> str:
        """Pods of which a container has ended before: few, so that only they are asked about in full."""
        names = list(namespaces) if namespaces is not None else None
        told = (self.state(metric, names) for metric in (LAST_REASON, of_init(LAST_REASON)))
        series = " or ".join(f"last_over_time({each}[{window}s])" for each in told)
        return f"count by ({_label(self.labels.state.pod)}) ({series})"

    def any_restarts(self, namespaces: Iterable[str] | None) -> str:
        return f"count({self._each(RESTARTS, namespaces, '', 0)})"

    def owners_of(
        self, metric: str, label: str, every: int, namespaces: Iterable[str] | None, window: int
    ) -> str:
        """`every`: how often to look, in seconds, at what stays for longer; 0 looks at all there is."""
        by = self.by(self.labels.state.namespace, label, "owner_kind", "owner_name")
        times = f"{window}s:{every}s" if 0 < every < window else f"{window}s"
        return f"max {by} (last_over_time({self.state(metric, namespaces)}[{times}]))"

    def made(self, namespaces: Iterable[str] | None, window: int) -> str:
        """When each namespace was made, as everybody tells who tells of it."""
        return self._last(self.state(MADE, namespaces), window)

    def sample_counts(self, namespaces: Iterable[str] | None, window: int) -> str:
        """At how many quarters of an hour each series was there: another number when some arrived late."""
        counts = f"count_over_time({self.cadvisor(MEMORY, namespaces)}[{window}s:{COUNTED}s])"
        return f"sum by ({_label(self.labels.cadvisor.namespace)}) ({counts})"

    def owners_told(self, label: str) -> str:
        """Whether owners are told at all, of pods under this label."""
        return f"count({self.state(POD_OWNER, None, f'{_label(label)}!=' + text(''))})"

    def series_counts(self, namespaces: Iterable[str] | None, window: int) -> str:
        series = f"last_over_time({self.cadvisor(MEMORY, namespaces)}[{window}s])"
        return f"count by ({_label(self.labels.cadvisor.namespace)}) ({series})"

    def namespaces_of(self, workloads: Iterable[str], window: int) -> str:
        """Where pods run that could be one of these by their name."""
        names = self.labels.cadvisor
        pods = text(f"({'|'.join(re.escape(name) for name in workloads)})(-.*)?")
        series = self.cadvisor(MEMORY, None, f"{_label(names.pod)}=~{pods}")
        return f"count by ({_label(names.namespace)}) (last_over_time({series}[{window}s]))"

    def autoscaled(self, namespaces: Iterable[str] | None, window: int) -> tuple[str, str]:
        """What autoscalers scale, and by what."""
        space = self.labels.state.namespace
        whom = self.by(space, "horizontalpodautoscaler", "scaletargetref_kind", "scaletargetref_name")
        what = self.by(space, "horizontalpodautoscaler", "metric_name", "metric_target_type")
        infos = f"max {whom} (last_over_time({self.state(HPA_INFO, namespaces)}[{window}s]))"
        return infos, f"max {what} (last_over_time({self.state(HPA_TARGET, namespaces)}[{window}s]))"

    def node_cost(self, metric: str, window: int) -> str:
        """The median over the nodes of what OpenCost says; it has no price at all for some of them."""
        by = f" by ({','.join(map(_label, self.scope.telling))}) " if self.scope.telling else ""
        parts = self._scope()
        series = f"{metric}{{{','.join(parts)}}}" if parts else metric
        return f"quantile{by}(0.5,last_over_time({series}[{window}s]) > 0)"


def of_init(metric: str) -> str:
    """kube-state-metrics has a name of its own for the same of init containers."""
    return metric.replace("kube_pod_container_", "kube_pod_init_container_")


def _in(label: str, values: Iterable[str] | None) -> list[str]:
    if values is None:
        return []
    names = list(values)
    name = _label(label)
    return [f"{name}={text(names[0])}"] if len(names) == 1 else [f"{name}=~{pattern(names)}"]


def _more(more: str) -> list[str]:
    return [more] if more else []


def _span(seconds: int) -> str:
    """A time that ends just before it would meet the one before.

    Prometheus 2 counts a sample that is as old as the window is long, Prometheus 3 doesn't: with a
    millisecond less, neither does.
    """
    return f"{seconds * 1000 - 1}ms"


def rate_window(interval: int, from_before: bool) -> int:
    """Seconds that a rate looks back, for samples that come every `interval` seconds.

    From its first to its last sample it should see one step: a rate of 300 s sees 240 s of samples a
    minute apart, stretches what it saw, and is 20 % off where a burst is shorter. A server that begins
    with the sample `from_before` the window sees all of it.
    """
    step = STEP if from_before else STEP + interval
    return max(step, SCRAPES_IN_RATE * interval)


def peak_window(interval: int) -> int:
    """Seconds that a maximum looks back: a step, or as long as a sample is sure to lie in it."""
    return STEP if interval * 2 <= STEP else 2 * interval
