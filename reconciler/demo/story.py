"""What the workloads of the demo do in four weeks of February 2026, and why that matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reconciler.demo import shapes
from reconciler.demo.shapes import END, MI, OFFICE, SHOPPERS, START, STEADY, STEP, TIME
from reconciler.model import ContainerRef
from reconciler.usage.days import DAY, ContainerDay, Query, Resources
from reconciler.usage.files import write_days
from reconciler.usage.series import Events, Series, days_of_series

__all__ = ["END", "START", "record_story", "story"]

QUERY: Query = {"source": "demo", "step": STEP}
GI = 1024 * MI
Random = np.random.Generator
UNEVENTFUL = Events()
Played = tuple[Series, Events]


class Role(NamedTuple):
    """A container of the demo: who it is, what is in force, and how it behaves."""

    ref: ContainerRef
    resources: Resources
    play: Callable[[Random], Played]
    sentence: str = ""


def story() -> list[tuple[str, str]]:
    """Workload → what it is in the demo for."""
    return [(f"{role.ref.namespace}/{role.ref.workload}", role.sentence) for role in ROLES if role.sentence]


def record_story(folder: Path) -> None:
    """Write the recording: one file a week, as a recorder would have left them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for seed, role in enumerate(ROLES) for row in _days(role, seed)]
    for first in range(START // DAY, END // DAY, 7):
        week = [row for row in rows if first <= row.day < first + 7]
        name = f"week-{(first - START // DAY) // 7 + 1}.parquet"
        write_days(folder / name, week, QUERY, (first + 7) * DAY, covers=(first, first + 6))


def _days(role: Role, seed: int) -> tuple[ContainerDay, ...]:
    series, events = role.play(np.random.default_rng(seed))
    events = events._replace(in_force=((0, role.resources),))
    return days_of_series(role.ref, series, STEP, events)


def _role(
    name: str,
    kind: str,
    container: str,
    resources: Resources,
    play: Callable[[Random], Played],
    sentence: str = "",
) -> Role:
    namespace, workload = name.split("/")
    return Role(ContainerRef("", namespace, kind, workload, container), resources, play, sentence)


# ---------------------------------------------------------------------------------------------
# How each of them behaves
# ---------------------------------------------------------------------------------------------


def _web(random: Random) -> Played:
    level = shapes.load(SHOPPERS, weekend=115)
    return shapes.alike(random, 4, 55 + 140 * level // 1000, 380 * MI + 60 * MI * level // 1000), UNEVENTFUL


def _log_shipper(random: Random) -> Played:
    return shapes.alike(
        random, 4, 14 + 24 * shapes.load(SHOPPERS) // 1000, shapes.constant(46 * MI)
    ), UNEVENTFUL


def _checkout(random: Random) -> Played:
    """Its autoscaler keeps each pod at the same load: the number of pods follows the day."""
    whole = 780 + 1300 * shapes.load(SHOPPERS, weekend=110) // 1000
    replicas = np.clip(-(-whole // 280), 3, 8)
    pods = []
    for number in range(8):
        mine = replicas > number
        time, cpu = TIME[mine], (whole // replicas)[mine]
        # Those that come and go are new pods every day.
        names = shapes.constant(number, time) if number < 3 else time // DAY * 8 + number
        memory = shapes.noisy(random, shapes.constant(540 * MI, time), 3)
        pods.append(shapes.pod(names, time, shapes.noisy(random, cpu, 6), memory))
    return shapes.together(*pods), UNEVENTFUL


def _recommendations(random: Random) -> Played:
    """Leaks up to its limit, is killed, and begins again."""
    pods: list[Series] = []
    kills: list[int] = []
    cpu = 80 + 80 * shapes.load(SHOPPERS) // 1000
    for number, offset in enumerate((0, 61_000)):
        memory, times = shapes.sawtooth(36 * 3600, offset, 290 * MI, GI - MI)
        pods.append(shapes.pod(number, TIME, shapes.noisy(random, cpu, 10), memory))
        kills += times
    return shapes.together(*pods), Events(tuple((time, GI) for time in sorted(kills)), tuple(sorted(kills)))


def _payment_worker(random: Random) -> Played:
    """Wants more CPU than its limit gives, through all office hours."""
    wanted = 210 + 430 * shapes.load(OFFICE, weekend=40) // 1000
    cpu = np.minimum(wanted, 492)
    series = shapes.alike(random, 3, cpu, 260 * MI + 40 * MI * wanted // 640, noise=1)
    series = series._replace(cpu=np.minimum(series.cpu, 500))
    short = np.clip(wanted - 400, 0, None) * 3000 // 400  # of the 3000 periods of five minutes
    days = (TIME - START) // DAY
    throttled = np.bincount(days, short).astype(np.int64) * 3
    rows = zip(range(START, END, DAY), throttled.tolist(), strict=True)
    return series, Events(throttling=tuple((day, count, 3 * 288 * 3000) for day, count in rows))


def _ledger_db(random: Random) -> Played:
    level = shapes.load(OFFICE, weekend=35)
    primary = shapes.noisy(random, 260 + 420 * level // 1000, 9)
    replica = shapes.noisy(random, 90 + 40 * level // 1000, 9)
    first = shapes.pod(0, TIME, primary, shapes.noisy(random, 3000 * MI + 180 * MI * level // 1000, 1))
    second = shapes.pod(1, TIME, replica, shapes.noisy(random, shapes.constant(2850 * MI), 1))
    return shapes.together(first, second), UNEVENTFUL


def _fraud_scoring(random: Random) -> Played:
    time = TIME[TIME >= END - 3 * DAY]
    level = shapes.load(OFFICE, time)
    return shapes.alike(
        random, 2, 120 + 130 * level // 1000, shapes.constant(690 * MI, time), time
    ), UNEVENTFUL


def _nightly_report(random: Random) -> Played:
    """A pod a night, from one to twenty to three, larger at the end of the week."""
    pods = []
    for number, midnight in enumerate(range(START, END, DAY)):
        time = np.arange(midnight + 3600, midnight + 9600, STEP, dtype=np.int64)
        done = np.arange(len(time)) * 1000 // len(time)
        weekly = 100 + 6 * (number % 7)
        cpu = (1150 + 300 * done // 1000) * weekly // 100
        memory = (700 * MI + 1600 * MI * done // 1000) * weekly // 100
        pods.append(shapes.pod(number, time, shapes.noisy(random, cpu, 6), memory))
    return shapes.together(*pods), UNEVENTFUL


def _event_gateway(random: Random) -> Played:
    level = shapes.load(STEADY)
    return shapes.alike(
        random, 3, 340 * level // 1000, 560 * MI + 60 * MI * level // 1000, noise=3
    ), UNEVENTFUL


def _node_agent(random: Random) -> Played:
    """Six nodes; the one with most pods has most to do."""
    level = shapes.load(STEADY)
    quiet = shapes.alike(random, 5, 45 * level // 1000, 165 * MI * level // 1000)
    busy = shapes.pod(
        5,
        TIME,
        shapes.noisy(random, 95 * level // 1000, 12),
        shapes.noisy(random, shapes.constant(255 * MI), 3),
    )
    return shapes.together(quiet, busy), UNEVENTFUL


def _legacy_admin(random: Random) -> Played:
    return shapes.pod(0, TIME, random.integers(1, 4, len(TIME)), shapes.constant(58 * MI)), UNEVENTFUL


def _invoicing(random: Random) -> Played:
    """Mondays from eight to six are what it is sized for."""
    hour = TIME % DAY // 3600
    monday = (shapes.weekday(TIME) == 0) & (hour >= 8) & (hour < 18)
    cpu = np.where(monday, 830, 45 + 60 * shapes.load(OFFICE, weekend=10) // 1000)
    memory = np.where(monday, 570 * MI, 430 * MI)
    return shapes.alike(random, 2, cpu, memory, noise=5), UNEVENTFUL


def _tracking_api(random: Random) -> Played:
    level = shapes.load(OFFICE, weekend=45)
    series = shapes.alike(random, 3, 90 + 150 * level // 1000, 350 * MI + 50 * MI * level // 1000)
    return shapes.lost(
        series, START + 20 * DAY + 7200, START + 20 * DAY + 18_000
    ), UNEVENTFUL  # metrics were down


def _search(random: Random) -> Played:
    """Holds its index in memory, and a little more for each shopper who looks for something."""
    level = shapes.load(SHOPPERS, weekend=115)
    return shapes.alike(random, 4, 60 + 380 * level // 1000, 740 * MI + 110 * MI * level // 1000), UNEVENTFUL


def _search_in_staging(random: Random) -> Played:
    level = shapes.load(OFFICE, weekend=10)
    return shapes.alike(random, 1, 8 + 32 * level // 1000, 290 * MI + 30 * MI * level // 1000), UNEVENTFUL


def _exporter(pods: int) -> Callable[[Random], Played]:
    """As little as programs use that only answer when they are asked for figures."""

    def play(random: Random) -> Played:
        level = shapes.load(STEADY)
        return shapes.alike(random, pods, 11 * level // 1000, shapes.constant(27 * MI)), UNEVENTFUL

    return play


def _cart(random: Random) -> Played:
    """At the end of the week it needs three times what it asks for."""
    level = shapes.load(SHOPPERS, weekend=125)
    return shapes.alike(random, 3, 90 + 340 * level // 1000, 160 * MI + 36 * MI * level // 1000), UNEVENTFUL


def _cart_in_staging(random: Random) -> Played:
    level = shapes.load(OFFICE, weekend=10)
    return shapes.alike(random, 1, 6 + 38 * level // 1000, shapes.constant(118 * MI)), UNEVENTFUL


ROLES = (
    _role(
        "storefront/web",
        "Deployment",
        "web",
        Resources(1500, 2 * GI, None, 2 * GI),
        _web,
        "an over-sized web service: asks for 1.5 cores a pod and uses a fifth of a core",
    ),
    _role(
        "storefront/web", "Deployment", "log-shipper", Resources(50, 64 * MI, None, 128 * MI), _log_shipper
    ),
    _role(
        "storefront/checkout",
        "Deployment",
        "checkout",
        Resources(400, GI, None, GI),
        _checkout,
        "scaled by an HPA on CPU: its CPU request belongs to the HPA, its memory does not",
    ),
    _role(
        "storefront/recommendations",
        "Deployment",
        "recommendations",
        Resources(200, 512 * MI, None, GI),
        _recommendations,
        "a memory leak: grows for a day and a half, is killed at its limit, begins again",
    ),
    _role(
        "payments/payment-worker",
        "Deployment",
        "worker",
        Resources(250, 384 * MI, 500, 768 * MI),
        _payment_worker,
        "throttled at its CPU limit in office hours: what it used is less than what it needs",
    ),
    _role(
        "payments/ledger-db",
        "StatefulSet",
        "postgres",
        Resources(500, 6 * GI, None, 6 * GI),
        _ledger_db,
        "a database that needs more CPU, and has memory to spare: StatefulSets are only raised",
    ),
    _role(
        "payments/fraud-scoring",
        "Deployment",
        "scoring",
        Resources(1000, 2 * GI, None, 2 * GI),
        _fraud_scoring,
        "a newcomer of three days: too little is known to touch it",
    ),
    _role(
        "data/nightly-report",
        "CronJob",
        "report",
        Resources(500, 4 * GI, None, 6 * GI),
        _nightly_report,
        "a nightly batch: wants three times its CPU request for a hundred minutes a night",
    ),
    _role(
        "data/event-gateway",
        "Deployment",
        "gateway",
        Resources(400, 768 * MI, None, GI),
        _event_gateway,
        "sized well by people who measured: nothing to do",
    ),
    _role(
        "platform/node-agent",
        "DaemonSet",
        "agent",
        Resources(250, 512 * MI, None, 512 * MI),
        _node_agent,
        "an agent on six nodes, of which one is twice as busy as the others",
    ),
    _role(
        "platform/legacy-admin",
        "Deployment",
        "admin",
        Resources(500, GI, None, GI),
        _legacy_admin,
        "idle: nobody has opened it for a month",
    ),
    _role(
        "logistics/invoicing",
        "Deployment",
        "invoicing",
        Resources(1000, 700 * MI, None, GI),
        _invoicing,
        "a Monday peak: six quiet days, and one that needs nearly all it asks for",
    ),
    _role(
        "logistics/tracking-api",
        "Deployment",
        "api",
        Resources(600, GI, None, GI),
        _tracking_api,
        'over-sized, beside a VPA that only advises (updateMode: "Off")',
    ),
    _role(
        "storefront/search",
        "Deployment",
        "search",
        Resources(1000, 1536 * MI, None, 1536 * MI),
        _search,
        "comes out of a chart: two Argo CD Applications, which share a file of values",
    ),
    _role("storefront/search", "Deployment", "exporter", Resources(), _exporter(4)),
    _role(
        "storefront-staging/search",
        "Deployment",
        "search",
        Resources(50, 1536 * MI, None, 1536 * MI),
        _search_in_staging,
        "the same chart in staging: the memory line of production is its own, too",
    ),
    _role("storefront-staging/search", "Deployment", "exporter", Resources(), _exporter(1)),
    _role(
        "storefront/cart",
        "Deployment",
        "cart",
        Resources(200, 256 * MI, None, 512 * MI),
        _cart,
        "a base with two overlays: production patches the CPU, and has too little of it",
    ),
    _role(
        "storefront-staging/cart",
        "Deployment",
        "cart",
        Resources(50, 256 * MI, None, 512 * MI),
        _cart_in_staging,
        "the same base in staging, which takes everything as it stands there",
    ),
)
