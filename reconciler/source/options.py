"""The options of runtimes and servers that say a size: one row each. docs/runtimes.md lists them.

To teach it another one, add a row here and a line there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from reconciler.source import amounts

Read = Callable[[str], int | None]


class Rule(NamedTuple):
    """One option. `read` is None for a variable that holds flags, and not a value of its own."""

    name: str
    setting: str  # what it sets: of several that set the same, one wins
    kind: str
    read: Read | None
    none: frozenset[str] = frozenset()  # values by which it sets nothing
    programs: frozenset[str] = frozenset()  # it means this only beside one of them
    spaced: bool = True  # whether its value may be the next word
    process: str = ""  # whose it is, in a container with several processes of one runtime
    program: str = ""  # that reads the variable
    follows: str = ""  # what it is a part of, when the container starts
    beaten_by: tuple[str, ...] = ()  # settings beside which it has no effect


def _gogc(text: str) -> int | None:
    """1 where the collector only runs at the soft limit; how often it runs else is nobody's size."""
    return 1 if text == "off" else 0 if re.fullmatch(r"-?[0-9]{1,9}", text) else None


def _flag(text: str) -> int | None:
    return None if text else 1


_HEAP = "heap"
_PERCENT = "heap-percent"
_CACHED = "cache-percent"

JVM: Final[tuple[tuple[str, Rule], ...]] = (
    ("-Xmx", Rule("-Xmx", _HEAP, "heap", amounts.jvm)),
    ("-XX:MaxHeapSize=", Rule("-XX:MaxHeapSize", _HEAP, "heap", amounts.jvm)),
    ("-Xms", Rule("-Xms", "start", "heap-start", amounts.jvm, beaten_by=(_HEAP,))),
    (
        "-XX:InitialHeapSize=",
        Rule("-XX:InitialHeapSize", "start", "heap-start", amounts.jvm, beaten_by=(_HEAP,)),
    ),
    (
        "-XX:MaxRAMPercentage=",
        Rule("-XX:MaxRAMPercentage", "share", _PERCENT, amounts.percent, beaten_by=(_HEAP,)),
    ),
    (
        "-XX:MaxRAMFraction=",
        Rule("-XX:MaxRAMFraction", "fraction", _PERCENT, amounts.fraction, beaten_by=(_HEAP, "share")),
    ),
    (
        "-XX:MinRAMPercentage=",
        Rule(
            "-XX:MinRAMPercentage", "small", _PERCENT, amounts.percent,
            beaten_by=(_HEAP, "share", "fraction"),
        ),
    ),
    (
        "-XX:InitialRAMPercentage=",
        Rule(
            "-XX:InitialRAMPercentage", "first", _PERCENT, amounts.percent,
            beaten_by=(_HEAP, "share", "fraction", "small"),
        ),
    ),
    ("-XX:MaxMetaspaceSize=", Rule("-XX:MaxMetaspaceSize", "metaspace", "native", amounts.jvm)),
    ("-XX:ReservedCodeCacheSize=", Rule("-XX:ReservedCodeCacheSize", "code", "native", amounts.jvm)),
    ("-XX:MaxDirectMemorySize=", Rule("-XX:MaxDirectMemorySize", "direct", "direct", amounts.jvm)),
    (
        "-XX:ActiveProcessorCount=",
        Rule("-XX:ActiveProcessorCount", "processors", "processors", amounts.whole),
    ),
    ("-XX:+AlwaysPreTouch", Rule("-XX:+AlwaysPreTouch", "touched", "touched", _flag)),
)  # fmt: skip


def _workers(name: str, *programs: str, none: tuple[str, ...] = ()) -> Rule:
    return Rule(name, f"workers {name}", "workers", amounts.whole, frozenset(none), frozenset(programs))


def _cache(name: str, setting: str, read: Read, *programs: str, none: tuple[str, ...] = ()) -> Rule:
    return Rule(name, setting, "cache", read, frozenset(none), frozenset(programs))


_SERVERS: Final = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi", "puma", "sanic")
_CELERY: Final = ("celery", "airflow")
_OLD_SPACE: Final = Rule("--max-old-space-size", "node", "heap", amounts.whole_mebibytes)
_OLD_SPACE_SHARE: Final = Rule(
    "--max-old-space-size-percentage", "node share", _PERCENT, amounts.percent, beaten_by=("node",)
)
_BUFFERS: Final = _cache("shared_buffers", "postgres", amounts.postgres)
_INNODB: Final = _cache("--innodb-buffer-pool-size", "innodb", amounts.binary_letter)
_VM_BYTES: Final = _cache("-memory.allowedBytes", "allowed", amounts.any_unit)
_VM_SHARE: Final = Rule(
    "-memory.allowedPercent", "allowed share", _CACHED, amounts.percent, beaten_by=("allowed",)
)
_MEMCACHED: Final = _cache("memcached -m", "memcached", amounts.whole_mebibytes, "memcached")
_VARNISH: Final = _cache("varnishd -s malloc", "varnish", amounts.binary_letter, "varnishd", "varnish")


def _cockroach(flag: str) -> tuple[Rule, ...]:
    names = frozenset(("cockroach",))
    return (
        Rule(flag, flag, "cache", amounts.any_unit, programs=names),
        Rule(flag, f"{flag} share", _CACHED, _either_share, programs=names, beaten_by=(flag,)),
    )


def _either_share(text: str) -> int | None:
    return amounts.percent(text[:-1]) if text.endswith("%") else amounts.share(text)


BY_FLAG: Final[Mapping[str, tuple[Rule, ...]]] = {
    "--max-old-space-size": (_OLD_SPACE,),
    "--max_old_space_size": (_OLD_SPACE,),
    "--max-old-space-size-percentage": (_OLD_SPACE_SHARE,),
    "--max_old_space_size_percentage": (_OLD_SPACE_SHARE,),
    "--workers": (_workers("--workers", *_SERVERS),),
    "-w": (_workers("--workers", "gunicorn", "puma", "hypercorn"),),
    "--concurrency": (
        _workers("--concurrency", *_CELERY, "sidekiq"),
        Rule("--concurrency", "envoy", "processors", amounts.whole, programs=frozenset(("envoy", "proxy"))),
    ),
    "-c": (_workers("--concurrency", *_CELERY, "sidekiq"),),
    "worker_processes": (_workers("worker_processes", none=("auto",)),),
    "--maxmemory": (_cache("--maxmemory", "redis", amounts.redis, none=("0",)),),
    "shared_buffers": (_BUFFERS,),
    "--shared_buffers": (_BUFFERS,),
    "--shared-buffers": (_BUFFERS,),
    "--innodb-buffer-pool-size": (_INNODB,),
    "--innodb_buffer_pool_size": (_INNODB,),
    "--wiredTigerCacheSizeGB": (_cache("--wiredTigerCacheSizeGB", "wired-tiger", amounts.gibibytes),),
    "-m": (_MEMCACHED,),
    "--memory-limit": (_MEMCACHED,),
    "--cache-size": (_cache("--cache-size", "rethinkdb", amounts.whole_mebibytes, "rethinkdb"),),
    "-memory.allowedBytes": (_VM_BYTES,),
    "--memory.allowedBytes": (_VM_BYTES,),
    "-memory.allowedPercent": (_VM_SHARE,),
    "--memory.allowedPercent": (_VM_SHARE,),
    "--cache": _cockroach("--cache"),
    "--max-sql-memory": _cockroach("--max-sql-memory"),
}

# Where the value stands in the same word.
_ATTACHED: Final = (
    ("malloc,", _VARNISH),
    ("-w", _workers("--workers", "gunicorn", "puma", "hypercorn")),
    ("-c", _workers("--concurrency", *_CELERY, "sidekiq")),
    ("-m", _MEMCACHED),
)
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


def _heaps(names: str, read: Read) -> dict[str, Rule]:
    return {name: Rule(name, f"heap {name}", "heap", read) for name in names.split()}


def _of_processors(names: str) -> dict[str, Rule]:
    return {name: Rule(name, name, "processors", amounts.whole) for name in names.split()}


def _of_workers(names: str) -> dict[str, Rule]:
    return {name: _workers(name, none=("auto",)) for name in names.split()}


def _holding(names: str, program: str = "") -> dict[str, Rule]:
    return {name: Rule(name, "", "", None, program=program) for name in names.split()}


def _dotnet(prefix: str) -> dict[str, Rule]:
    limit, share = f"{prefix}_GCHeapHardLimit", f"{prefix}_GCHeapHardLimitPercent"
    return {
        limit: Rule(limit, "dotnet", "heap", amounts.hex_bytes),
        share: Rule(share, "dotnet share", _PERCENT, amounts.hex_percent, beaten_by=("dotnet",)),
        f"{prefix}_PROCESSOR_COUNT": Rule(
            f"{prefix}_PROCESSOR_COUNT", "dotnet processors", "processors", amounts.whole
        ),
    }


BY_VARIABLE: Final[Mapping[str, Rule]] = {
    "GOMEMLIMIT": Rule("GOMEMLIMIT", "go", "soft-limit", amounts.go, frozenset(("off",))),
    "AUTOMEMLIMIT": Rule(
        "AUTOMEMLIMIT",
        "go share",
        "soft-limit",
        amounts.share,
        frozenset(("off",)),
        follows="limits.memory",
        beaten_by=("go",),
    ),
    "GOGC": Rule("GOGC", "gogc", "no-gc", _gogc),
    **_dotnet("DOTNET"),
    **_dotnet("COMPlus"),
    **_heaps(
        "ELASTICSEARCH_HEAP_SIZE OPENSEARCH_HEAP_SIZE ES_HEAP_SIZE LS_HEAP_SIZE MAX_HEAP_SIZE "
        "JVM_MAXIMUM_MEMORY SOLR_HEAP SOLR_JAVA_HEAP NIFI_JVM_HEAP_MAX SPARK_DAEMON_MEMORY DRUID_XMX "
        "SONARQUBE_MAX_HEAP_SIZE "
        "NEO4J_server_memory_heap_max__size NEO4J_dbms_memory_heap_max__size",
        amounts.jvm,
    ),
    **_heaps(
        "ZK_SERVER_HEAP ZOO_HEAP_SIZE HADOOP_HEAPSIZE HADOOP_HEAPSIZE_MAX HBASE_HEAPSIZE "
        "DREMIO_MAX_MEMORY_SIZE_MB DREMIO_MAX_HEAP_MEMORY_SIZE_MB",
        amounts.jvm_megabytes,
    ),
    "JAVA_MAX_MEM_RATIO": Rule(
        "JAVA_MAX_MEM_RATIO",
        "ratio",
        _PERCENT,
        amounts.percent,
        frozenset(("0",)),
        beaten_by=(_HEAP, "share"),
    ),
    "NEO4J_server_memory_pagecache_size": _cache("NEO4J_server_memory_pagecache_size", "pages", amounts.jvm),
    "NEO4J_dbms_memory_pagecache_size": _cache("NEO4J_dbms_memory_pagecache_size", "pages", amounts.jvm),
    "REDIS_MAXMEMORY": _cache("REDIS_MAXMEMORY", "redis", amounts.redis, none=("0",)),
    "MSSQL_MEMORY_LIMIT_MB": _cache("MSSQL_MEMORY_LIMIT_MB", "mssql", amounts.whole_mebibytes),
    "MEMCACHED_CACHE_SIZE": _cache("MEMCACHED_CACHE_SIZE", "memcached", amounts.whole_mebibytes),
    "VARNISH_SIZE": _cache("VARNISH_SIZE", "varnish", amounts.binary_letter),
    **_of_processors(
        "GOMAXPROCS OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS RAYON_NUM_THREADS "
        "TOKIO_WORKER_THREADS"
    ),
    **_of_workers(
        "WEB_CONCURRENCY GUNICORN_WORKERS UVICORN_WORKERS GRANIAN_WORKERS MAX_WORKERS PUMA_WORKERS "
        "WORKER_PROCESSES AIRFLOW__WEBSERVER__WORKERS AIRFLOW__API__WORKERS "
        "AIRFLOW__CELERY__WORKER_CONCURRENCY AIRFLOW__SCHEDULER__PARSING_PROCESSES "
        "CELERY_WORKER_CONCURRENCY CELERYD_CONCURRENCY SERVER_WORKER_AMOUNT PHP_FPM_MAX_CHILDREN "
        "PHP_FPM_PM_MAX_CHILDREN FPM_PM_MAX_CHILDREN PM_MAX_CHILDREN PHP_PM_MAX_CHILDREN "
        "NGINX_WORKER_PROCESSES ODOO_WORKERS"
    ),
    **_holding(
        "JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS JAVA_OPTS JAVA_OPTIONS JAVA_OPTS_APPEND "
        "JAVA_OPTS_KC_HEAP JAVA_EXTRA_OPTS CATALINA_OPTS ES_JAVA_OPTS OPENSEARCH_JAVA_OPTS LS_JAVA_OPTS "
        "KAFKA_HEAP_OPTS KAFKA_OPTS SERVER_JVMFLAGS JVMFLAGS JVM_OPTS JVM_ARGS PULSAR_MEM BOOKIE_MEM "
        "JENKINS_JAVA_OPTIONS JENKINS_JAVA_OPTS EXTRA_JAVA_OPTIONS INSTALL4J_ADD_VM_PARAMS SOLR_JAVA_MEM "
        "GRAYLOG_SERVER_JAVA_OPTS MAVEN_OPTS GRADLE_OPTS NODE_OPTIONS REDIS_EXTRA_FLAGS "
        "MARIADB_EXTRA_FLAGS MYSQL_EXTRA_FLAGS MONGODB_EXTRA_FLAGS"
    ),
    **_holding("GUNICORN_CMD_ARGS", "gunicorn"),
}
_SONAR: Final = re.compile(r"(SONAR_(?:WEB|CE|SEARCH))_JAVA(?:ADDITIONAL)?OPTS")

_NAMED: Final = sorted({*BY_VARIABLE, "SONAR_"}, key=len, reverse=True)
_FLAGGED: Final = sorted({flag for flag in BY_FLAG if len(flag) > 2}, key=len, reverse=True)
_PROGRAMS: Final = (
    *_SERVERS,
    "celery",
    "sidekiq",
    "memcached",
    "varnish",
    "cockroach",
    "rethinkdb",
    "envoy",
    "-X[mX]",
)
RELEVANT: Final = re.compile("|".join((*map(re.escape, (*_NAMED, *_FLAGGED)), *_PROGRAMS)))
# Pieces of them all, few and quick to look for in a whole text.
STEMS: Final = (
    "-X", "GOM", "GOGC", "MEMLIMIT", "HEAP", "heap_max", "GCHeap", "PROCESSOR_COUNT", "XMX", "JVM", "JAVA",
    "_OPT", "_FLAGS", "_ARGS", "ADD_VM_PARAMS", "_MEM", "pagecache", "old-space", "old_space", "MAXMEMORY",
    "maxmemory", "CACHE_SIZE", "VARNISH", "NUM_THREADS", "TOKIO_WORKER", "WORKERS", "WORKER_PROCESSES",
    "WORKER_CONC", "WEB_CONC", "CELERY", "PARSING_PROC", "WORKER_AMOUNT", "MAX_CHILDREN", "MAXIMUM_MEMORY",
    "DAEMON_MEMORY", "MEMORY_", "SONAR_", "--workers", "--concurrency", "worker_processes", "shared_buffers",
    "shared-buffers", "buffer-pool", "buffer_pool", "wiredTiger", "--memory-limit", "memory.allowed",
    "--cache", "max-sql-memory", *_PROGRAMS[:-1],
)  # fmt: skip


GIVEN: Final = Rule("", "", "given", None)  # a variable of any name that a resourceFieldRef fills


def of_variable(name: str) -> Rule | None:
    """What a variable says by its name."""
    sonar = _SONAR.fullmatch(name)
    if sonar is not None:
        return Rule(name, "", "", None, process=sonar[1])
    return BY_VARIABLE.get(name)


def of_flag(head: str, programs: frozenset[str]) -> tuple[Rule, ...]:
    """What a flag means beside those programs."""
    rules = BY_FLAG.get(head) or BY_FLAG.get(head.removeprefix("-c")) or ()
    return tuple(rule for rule in rules if not rule.programs or not rule.programs.isdisjoint(programs))


def attached(word: str, programs: frozenset[str]) -> tuple[Rule, str] | None:
    """The value in a word such as `-w4`."""
    for prefix, rule in _ATTACHED:
        value = word.removeprefix(prefix)
        if value == word or not value or rule.programs.isdisjoint(programs):
            continue
        if prefix[0] != "-" or _DIGITS.fullmatch(value):
            return rule, value
    return None
