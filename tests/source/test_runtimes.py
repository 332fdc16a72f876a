"""The sizes that programs are started with, as charts and teams really write them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import RuntimeOption
from reconciler.source import amounts, options, runtimes
from reconciler.source.started import Given

MI, GI = 1 << 20, 1 << 30
NOTHING: list[tuple[str, str, int]] = []


def env(**values: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in values.items()]}


def run(*words: str, image: str = "registry.example.com/team/app:1", **values: str) -> dict[str, Any]:
    return {"image": image, "command": list(words), **env(**values)}


def args(*words: str, image: str = "registry.example.com/team/app:1") -> dict[str, Any]:
    return {"image": image, "args": list(words)}


def shell(text: str, **values: str) -> dict[str, Any]:
    return run("sh", "-c", text, **values)


def read(
    container: dict[str, Any],
    resources: dict[str, str | None] | None = None,
    configs: dict[str, dict[str, str]] | None = None,
) -> tuple[RuntimeOption, ...]:
    """As it comes out of a cache."""
    found = runtimes.given(container)
    if found is None:
        return ()
    kept = Given(*json.loads(json.dumps(found)))
    every = {"app": resources or {}, "side": {"limits.memory": "64Mi"}}
    return runtimes.read(kept, "app", every, (configs or {}).get)


def brief(found: tuple[RuntimeOption, ...]) -> list[tuple[str, str, int]]:
    return [(one.name, one.kind, one.amount) for one in found]


# What stands there, and what counts of it. The amounts were worked out by hand.
LINES = [
    # -- the JVM --
    ("spring boot", env(JAVA_OPTS="-Xms512m -Xmx2g"), [("-Xmx", "heap", 2 * GI)]),
    ("one of two wins", env(JAVA_OPTS="-Xmx1g -Xmx512m"), [("-Xmx", "heap", 512 * MI)]),
    ("by its long name", env(JAVA_OPTS="-XX:MaxHeapSize=512M"), [("-XX:MaxHeapSize", "heap", 512 * MI)]),
    ("only the first size", env(JAVA_OPTS="-Xms300m"), [("-Xms", "heap-start", 300 * MI)]),
    (
        "keycloak",
        env(JAVA_OPTS_KC_HEAP="-XX:MaxHeapFreeRatio=30 -XX:MaxRAMPercentage=65", KC_DB="postgres"),
        [("-XX:MaxRAMPercentage", "heap-percent", 650)],
    ),
    (
        "keycloak on wildfly",
        env(JAVA_OPTS="-Xms64m -Xmx512m -XX:MetaspaceSize=96M -XX:MaxMetaspaceSize=256m -Djava.net.x=true"),
        [("-Xmx", "heap", 512 * MI), ("-XX:MaxMetaspaceSize", "native", 256 * MI)],
    ),
    ("kafka", env(KAFKA_HEAP_OPTS="-Xmx1024m -Xms1024m"), [("-Xmx", "heap", GI)]),
    ("kafka, capital", env(KAFKA_HEAP_OPTS="-Xmx2G -Xms1G"), [("-Xmx", "heap", 2 * GI)]),
    (
        "schema registry",
        env(SCHEMA_REGISTRY_HEAP_OPTS="-Xms512M -Xmx512M", SCHEMA_REGISTRY_LOG4J="x"),
        [("-Xmx", "heap", 512 * MI)],
    ),
    ("zookeeper", env(ZK_SERVER_HEAP="1024"), [("ZK_SERVER_HEAP", "heap", GI)]),
    ("zookeeper of bitnami", env(ZOO_HEAP_SIZE="512"), [("ZOO_HEAP_SIZE", "heap", 512 * MI)]),
    ("elasticsearch", env(ES_JAVA_OPTS="-Xmx1g -Xms1g"), [("-Xmx", "heap", GI)]),
    (
        "elasticsearch of bitnami",
        env(ELASTICSEARCH_HEAP_SIZE="1024m"),
        [("ELASTICSEARCH_HEAP_SIZE", "heap", GI)],
    ),
    ("opensearch", env(OPENSEARCH_JAVA_OPTS="-Xmx512M -Xms512M"), [("-Xmx", "heap", 512 * MI)]),
    ("logstash", env(LS_JAVA_OPTS="-Xmx1g -Xms1g"), [("-Xmx", "heap", GI)]),
    (
        "jenkins",
        env(JAVA_OPTS="-Dhudson.slaves=40 -Xms3500m -Xmx3500m -XX:+AlwaysPreTouch -XX:+UseG1GC"),
        [("-Xmx", "heap", 3500 * MI), ("-XX:+AlwaysPreTouch", "touched", 1)],
    ),
    (
        "sonarqube has three",
        env(SONAR_WEB_JAVAOPTS="-Xmx512m", SONAR_CE_JAVAOPTS="-Xmx1g", SONAR_SEARCH_JAVAOPTS="-Xmx2g -Xms2g"),
        [("-Xmx", "heap", 512 * MI), ("-Xmx", "heap", GI), ("-Xmx", "heap", 2 * GI)],
    ),
    ("cassandra", env(MAX_HEAP_SIZE="4G", HEAP_NEWSIZE="800M"), [("MAX_HEAP_SIZE", "heap", 4 * GI)]),
    ("jira", env(JVM_MAXIMUM_MEMORY="768m"), [("JVM_MAXIMUM_MEMORY", "heap", 768 * MI)]),
    (
        "neo4j",
        env(NEO4J_server_memory_heap_max__size="2G", NEO4J_server_memory_pagecache_size="512M"),
        [
            ("NEO4J_server_memory_heap_max__size", "heap", 2 * GI),
            ("NEO4J_server_memory_pagecache_size", "cache", 512 * MI),
        ],
    ),
    ("solr", env(SOLR_JAVA_MEM="-Xms2g -Xmx3g"), [("-Xmx", "heap", 3 * GI)]),
    (
        "pulsar",
        env(PULSAR_MEM="\n-Xms128m -Xmx256m -XX:MaxDirectMemorySize=256m\n"),
        [("-Xmx", "heap", 256 * MI), ("-XX:MaxDirectMemorySize", "direct", 256 * MI)],
    ),
    (
        "nexus",
        env(INSTALL4J_ADD_VM_PARAMS="-Xms2703M -Xmx2703M -XX:MaxDirectMemorySize=2703M"),
        [("-Xmx", "heap", 2703 * MI), ("-XX:MaxDirectMemorySize", "direct", 2703 * MI)],
    ),
    (
        "artifactory",
        env(EXTRA_JAVA_OPTIONS="-server -Xms512m -Xmx1g -XX:ReservedCodeCacheSize=240m"),
        [("-Xmx", "heap", GI), ("-XX:ReservedCodeCacheSize", "native", 240 * MI)],
    ),
    ("graylog", env(GRAYLOG_SERVER_JAVA_OPTS="-Xms1g -Xmx1g -XX:NewRatio=1"), [("-Xmx", "heap", GI)]),
    ("tomcat", env(CATALINA_OPTS="-Xmx1536m -XX:ActiveProcessorCount=2"), [
        ("-Xmx", "heap", 1536 * MI), ("-XX:ActiveProcessorCount", "processors", 2),
    ]),
    ("openshift's images", env(JAVA_MAX_MEM_RATIO="50"), [("JAVA_MAX_MEM_RATIO", "heap-percent", 500)]),
    (
        "as many do",
        env(JAVA_TOOL_OPTIONS="-XX:InitialRAMPercentage=50 -XX:MaxRAMPercentage=75.0 -XX:MinRAMPercentage=9"),
        [("-XX:MaxRAMPercentage", "heap-percent", 750)],
    ),
    ("an old JVM", env(JAVA_OPTS="-XX:MaxRAMFraction=2"), [("-XX:MaxRAMFraction", "heap-percent", 500)]),
    (
        "a size beats a share",
        env(JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75", JAVA_OPTS="-Xmx700m"),
        [("-Xmx", "heap", 700 * MI)],
    ),
    (
        "the command beats the tool options",
        run("java", "-Xmx600m", "-jar", "app.jar", JAVA_TOOL_OPTIONS="-Xmx2g"),
        [("-Xmx", "heap", 600 * MI)],
    ),
    (
        "_JAVA_OPTIONS beats the command",
        run("java", "-Xmx600m", "-jar", "app.jar", _JAVA_OPTIONS="-Xmx2g"),
        [("-Xmx", "heap", 2 * GI)],
    ),
    (
        "the launcher's beat the tool's",
        env(JDK_JAVA_OPTIONS="-Xmx1g", JAVA_TOOL_OPTIONS="-Xmx2g"),
        [("-Xmx", "heap", GI)],
    ),
    (
        "of two scripts' the larger one, for only the scripts know",
        env(JAVA_OPTS="-Xmx1g", CATALINA_OPTS="-Xmx300m"),
        [("-Xmx", "heap", GI)],
    ),
    ("what follows -jar is the program's", run("java", "-jar", "app.jar", "-Xmx9g"), NOTHING),
    ("in a shell", shell("exec java -Xmx256m $JAVA_OPTS -jar /app.jar", JAVA_OPTS="-Xmx384m"), [
        ("-Xmx", "heap", 384 * MI),
    ]),
    ("a shell's default", shell('java ${JAVA_OPTS:--Xmx300m} -jar "/app.jar"'), [("-Xmx", "heap", 300 * MI)]),
    ("a shell's variable", shell("java -Xmx${HEAP}m -jar x", HEAP="700"), [("-Xmx", "heap", 700 * MI)]),
    ("set on the way", shell("export JAVA_OPTS=-Xmx450m; ./run.sh"), [("-Xmx", "heap", 450 * MI)]),
    ("in quotes", env(JAVA_OPTS='"-Xmx1g" -Dname="a b"'), [("-Xmx", "heap", GI)]),
    ("flink", env(FLINK_ENV_JAVA_OPTS="-Xmx1600m"), [("-Xmx", "heap", 1600 * MI)]),
    ("bytes", args("-Xmx1073741824"), [("-Xmx", "heap", GI)]),
    ("hexadecimal", args("-Xmx0x40000000"), [("-Xmx", "heap", GI)]),
    # -- Go --
    ("go", env(GOMEMLIMIT="900MiB", GOGC="100"), [("GOMEMLIMIT", "soft-limit", 900 * MI)]),
    ("go, in bytes", env(GOMEMLIMIT="1000000000"), [("GOMEMLIMIT", "soft-limit", 10**9)]),
    ("go, off", env(GOMEMLIMIT="off"), NOTHING),
    ("go, no collections", env(GOMEMLIMIT="2GiB", GOGC="off"), [
        ("GOMEMLIMIT", "soft-limit", 2 * GI), ("GOGC", "no-gc", 1),
    ]),
    ("go's unit is not Kubernetes'", env(GOMEMLIMIT="900Mi"), [("GOMEMLIMIT", "unread", 0)]),
    ("go's threads", env(GOMAXPROCS="4"), [("GOMAXPROCS", "processors", 4)]),
    ("go, in a shell", shell("GOMEMLIMIT=512MiB ./server"), [("GOMEMLIMIT", "soft-limit", 512 * MI)]),
    # -- Node.js --
    ("node", env(NODE_OPTIONS="--max-old-space-size=4096"), [("--max-old-space-size", "heap", 4 * GI)]),
    ("node, with _", run("node", "--max_old_space_size=460", "index.js"), [
        ("--max-old-space-size", "heap", 460 * MI),
    ]),
    ("node, apart", run("node", "--max-old-space-size", "512", "index.js"), [
        ("--max-old-space-size", "heap", 512 * MI),
    ]),
    (
        "node's command beats its variable",
        run("node", "--max-old-space-size=512", "x.js", NODE_OPTIONS="--max-old-space-size=2048"),
        [("--max-old-space-size", "heap", 512 * MI)],
    ),
    ("kibana", env(NODE_OPTIONS="--max-old-space-size=1800 --trace-warnings"), [
        ("--max-old-space-size", "heap", 1800 * MI),
    ]),
    # -- .NET --
    (".NET, hex", env(DOTNET_GCHeapHardLimit="0xC800000"), [("DOTNET_GCHeapHardLimit", "heap", 200 * MI)]),
    (".NET, bare", env(COMPlus_GCHeapHardLimit="C800000"), [("COMPlus_GCHeapHardLimit", "heap", 200 * MI)]),
    (".NET's percentage too", env(DOTNET_GCHeapHardLimitPercent="4B"), [
        ("DOTNET_GCHeapHardLimitPercent", "heap-percent", 750),
    ]),
    (".NET's count", env(DOTNET_PROCESSOR_COUNT="12"), [("DOTNET_PROCESSOR_COUNT", "processors", 12)]),
    # -- workers --
    ("gunicorn", run("gunicorn", "-w", "4", "-b", ":8000", "app:app"), [("--workers", "workers", 4)]),
    ("gunicorn, long", shell("exec gunicorn --workers=3 --threads 2 app:app"), [("--workers", "workers", 3)]),
    ("gunicorn, together", run("/usr/bin/gunicorn", "-w8", "app:app"), [("--workers", "workers", 8)]),
    ("gunicorn's variable", env(GUNICORN_CMD_ARGS="--workers=6 --bind=:80"), [("--workers", "workers", 6)]),
    ("uvicorn", run("uvicorn", "main:app", "--workers", "2"), [("--workers", "workers", 2)]),
    ("puma and others", env(WEB_CONCURRENCY="3", RAILS_MAX_THREADS="5"), [("WEB_CONCURRENCY", "workers", 3)]),
    ("celery", run("celery", "-A", "app", "worker", "-c", "4"), [("--concurrency", "workers", 4)]),
    ("celery, long", run("celery", "worker", "--concurrency=16"), [("--concurrency", "workers", 16)]),
    ("airflow", env(AIRFLOW__CELERY__WORKER_CONCURRENCY="16", AIRFLOW__WEBSERVER__WORKERS="4"), [
        ("AIRFLOW__CELERY__WORKER_CONCURRENCY", "workers", 16), ("AIRFLOW__WEBSERVER__WORKERS", "workers", 4),
    ]),
    ("nginx", run("nginx", "-g", "daemon off; worker_processes 4;"), [("worker_processes", "workers", 4)]),
    ("nginx, by itself", run("nginx", "-g", "daemon off; worker_processes auto;"), NOTHING),
    ("php", env(PHP_FPM_PM_MAX_CHILDREN="20"), [("PHP_FPM_PM_MAX_CHILDREN", "workers", 20)]),
    ("istio's proxy", run("envoy", "proxy", "--concurrency", "2"), [("--concurrency", "processors", 2)]),
    ("counted when it starts", shell("gunicorn -w $(nproc) app:app"), [("--workers", "unread-count", 0)]),
    ("-w of something else", run("curl", "-w", "4"), NOTHING),
    ("-c of gunicorn is a file", run("gunicorn", "-c", "conf.py", "app:app"), NOTHING),
    # -- databases and caches --
    ("redis", run("redis-server", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"), [
        ("--maxmemory", "cache", 256 * MI),
    ]),
    ("redis, of 1000", run("redis-server", "--maxmemory 100m"), [("--maxmemory", "cache", 10**8)]),
    ("redis, without end", run("redis-server", "--maxmemory", "0"), NOTHING),
    ("redis of bitnami", env(REDIS_EXTRA_FLAGS="--maxmemory 1gb"), [("--maxmemory", "cache", GI)]),
    ("postgres", args("-c", "shared_buffers=256MB", "-c", "max_connections=200"), [
        ("shared_buffers", "cache", 256 * MI),
    ]),
    ("postgres, together", run("postgres", "-cshared_buffers=1GB"), [("shared_buffers", "cache", GI)]),
    ("postgres, pages", run("postgres", "--shared_buffers=16384"), [("shared_buffers", "cache", 128 * MI)]),
    ("mysql", args("--innodb-buffer-pool-size=1G"), [("--innodb-buffer-pool-size", "cache", GI)]),
    ("mongo", run("mongod", "--wiredTigerCacheSizeGB", "0.25"), [
        ("--wiredTigerCacheSizeGB", "cache", 256 * MI),
    ]),
    ("memcached", args("-m", "64", "-c", "1024", image="registry.example.com/memcached:1.6"), [
        ("memcached -m", "cache", 64 * MI),
    ]),
    ("memcached, long", run("memcached", "--memory-limit=128"), [("memcached -m", "cache", 128 * MI)]),
    ("varnish", run("varnishd", "-F", "-s", "malloc,256m"), [("varnishd -s malloc", "cache", 256 * MI)]),
    ("victoria", args("-memory.allowedPercent=80"), [("-memory.allowedPercent", "cache-percent", 800)]),
    ("cockroach", run("cockroach", "start", "--cache=25%", "--max-sql-memory=.25"), [
        ("--cache", "cache-percent", 250), ("--max-sql-memory", "cache-percent", 250),
    ]),
    ("cockroach, fixed", run("cockroach", "start", "--cache=1GiB"), [("--cache", "cache", GI)]),
    # -- nothing, or nothing that can be read --
    ("no JVM would start so", env(JAVA_OPTS="-Xmx2gb"), [("-Xmx", "unread", 0)]),
    ("no fraction either", env(JAVA_OPTS="-Xmx1.5g"), [("-Xmx", "unread", 0)]),
    ("a template", env(JAVA_OPTS="-Xmx{{ heap }}"), [("-Xmx", "unread", 0)]),
    ("more than all", env(JAVA_OPTS="-XX:MaxRAMPercentage=400"), [("-XX:MaxRAMPercentage", "unread", 0)]),
    ("ordinary", env(JAVA_HOME="/opt/java", PATH="/bin", LOG_LEVEL="info"), NOTHING),
    ("empty", env(JAVA_OPTS=""), NOTHING),
    ("other flags of the JVM", env(JAVA_OPTS="-Xss512k -Xlog:gc -XX:+UseG1GC"), NOTHING),
]  # fmt: skip


@pytest.mark.parametrize(
    ("container", "found"), [line[1:] for line in LINES], ids=[line[0] for line in LINES]
)
def test_lines_as_charts_write_them(container: dict[str, Any], found: list[tuple[str, str, int]]) -> None:
    assert brief(read(container)) == found


# --------------------------------------------------------------------- from where a value comes


def resource(name: str, what: str, **more: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": what, **more}}}


@pytest.mark.parametrize(
    ("what", "more", "amount"),
    [
        ("limits.memory", {}, GI),
        ("requests.memory", {}, 512 * MI),
        ("limits.memory", {"containerName": "side"}, 64 * MI),
        ("requests.memory", {"containerName": "side"}, 64 * MI),  # the limit counts as the request
        ("limits.memory", {"containerName": "nobody"}, 0),
    ],
)
def test_go_follows_what_the_container_is_given(what: str, more: dict[str, str], amount: int) -> None:
    given_ = {"limits.memory": "1Gi", "requests.memory": "512Mi"}
    (found,) = read({"env": [resource("GOMEMLIMIT", what, **more)]}, given_)

    assert (found.kind, found.amount, found.from_resources) == ("soft-limit", amount, what)


def test_processors_are_rounded_up_as_the_kubelet_does() -> None:
    (found,) = read({"env": [resource("GOMAXPROCS", "limits.cpu")]}, {"limits.cpu": "1500m"})

    assert (found.amount, found.from_resources) == (2, "limits.cpu")


def test_a_heap_written_with_the_limit_follows_it() -> None:
    limit = resource("LIMIT", "limits.memory", divisor="1Mi")
    java = {"name": "JAVA_OPTS", "value": "-Xmx$(LIMIT)m -XX:MaxMetaspaceSize=100m"}
    found = read({"env": [limit, java]}, {"limits.memory": "1Gi"})

    assert [(one.name, one.amount, one.from_resources) for one in found] == [
        ("-Xmx", GI, "limits.memory"),
        ("-XX:MaxMetaspaceSize", 100 * MI, ""),
    ]


def test_a_variable_of_any_name_that_says_what_there_is_follows_it() -> None:
    (found,) = read(
        {"env": [resource("MY_MEM_LIMIT", "limits.memory", divisor="1M")]}, {"limits.memory": "1Gi"}
    )

    assert (found.name, found.kind, found.from_resources) == ("MY_MEM_LIMIT", "given", "limits.memory")
    (known,) = read({"env": [resource("MSSQL_MEMORY_LIMIT_MB", "limits.memory", divisor="1Mi")]})
    assert (known.kind, known.amount, known.from_resources) == ("cache", 0, "limits.memory")


def test_variables_name_variables_before_them_and_no_others() -> None:
    first = {"name": "HEAP", "value": "700m"}
    java = {"name": "JAVA_OPTS", "value": "-Xmx$(HEAP)"}

    assert brief(read({"env": [first, java]})) == [("-Xmx", "heap", 700 * MI)]
    assert brief(read({"env": [java, first]})) == [("-Xmx", "unread", 0)]  # `-Xmx$(HEAP)` stays as it is
    assert brief(read({"env": [first], "args": ["-Xmx$(HEAP)"]})) == [("-Xmx", "heap", 700 * MI)]
    assert brief(read({"env": [first], "args": ["-Xmx$$(HEAP)"]})) == [("-Xmx", "unread", 0)]


def test_where_it_stands_is_told() -> None:
    wheres = {
        read(env(JAVA_OPTS="-Xmx1g"))[0].where,
        read(args("-Xmx1g"))[0].where,
        read(run("java", "-Xmx1g"))[0].where,
        read({"args": ["-Xms1g", "$(OPTS)"], **env(OPTS="-server -Xmx1g")})[0].where,
    }

    assert wheres == {"env JAVA_OPTS", "args", "command", "args, env OPTS"}


def test_config_maps_are_read_where_they_are_known() -> None:
    whole = {"envFrom": [{"configMapRef": {"name": "settings"}}]}
    prefixed = {"envFrom": [{"prefix": "ES_", "configMapRef": {"name": "settings"}}]}
    key = {"name": "JAVA_OPTS", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "opts"}}}
    known = {"settings": {"JAVA_OPTS": "-Xmx1g", "opts": "-Xmx2g", "JAVA_MAX": "x"}}

    assert read(whole, None, known) == (
        RuntimeOption("-Xmx", "ConfigMap settings: opts", "2g", "heap", 2 * GI),
    )  # two variables of scripts, of which the larger counts
    assert brief(read(prefixed, None, known))[0][1] == "heap"
    assert brief(read({"env": [key]}, None, known)) == [("-Xmx", "heap", 2 * GI)]
    assert read(whole) == ()
    assert read({"env": [key]}) == (RuntimeOption("JAVA_OPTS", "ConfigMap settings: opts", "", "unread", 0),)


def test_a_variable_of_its_own_comes_before_one_out_of_a_config_map() -> None:
    both = {"envFrom": [{"configMapRef": {"name": "settings"}}], **env(JAVA_OPTS="-Xmx300m")}

    assert brief(read(both, None, {"settings": {"JAVA_OPTS": "-Xmx1g"}})) == [("-Xmx", "heap", 300 * MI)]


def test_a_variable_names_what_a_config_map_brings() -> None:
    java = {"name": "JAVA_OPTS", "value": "-Xmx$(HEAP)"}
    found = {"envFrom": [{"configMapRef": {"name": "settings"}}], "env": [java]}

    assert brief(read(found, None, {"settings": {"HEAP": "700m"}})) == [("-Xmx", "heap", 700 * MI)]


def test_a_secret_is_never_known() -> None:
    hidden = {"name": "JAVA_OPTS", "valueFrom": {"secretKeyRef": {"name": "web", "key": "opts"}}}
    size = {"name": "GOMEMLIMIT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    used = {"name": "HEAP", "valueFrom": {"secretKeyRef": {"name": "web", "key": "heap"}}}

    assert read({"env": [hidden]}) == (
        RuntimeOption("JAVA_OPTS", "env JAVA_OPTS, from Secret web", "", "unread", 0),
    )
    assert brief(read({"env": [size]})) == [("GOMEMLIMIT", "unread", 0)]
    assert brief(read({"env": [used], "args": ["-Xmx$(HEAP)"]})) == [("-Xmx", "unread", 0)]


def test_no_more_of_a_value_is_kept_than_the_size() -> None:
    password = "hunter2-is-secret"
    found = read(env(JAVA_OPTS=f"-Dpassword={password} -Xmx1g", GOMEMLIMIT=password))

    assert password not in "".join(one.text for one in found if one.name == "-Xmx")
    assert all(len(one.text) <= 40 for one in found)


# ----------------------------------------------------------------------------------- hostile


# Small, so that what matters meets often; with digits that are none to any program, and lone halves.
LETTERS = "aAXxmsgGkKiBb019.٣²-_+$(){}:=%,'\"`;|& \n\t\0\ud800"
TEXTS = st.one_of(
    st.text(LETTERS, max_size=60),
    st.sampled_from(
        [
            "-Xmx",
            "$(",
            "$(A)",
            "$$",
            "${A}",
            "${A:-",
            "-XX:MaxRAMPercentage=",
            "--workers",
            "\0",
            "=",
            "-Xmx٣g",
        ]
    ),
    st.lists(st.sampled_from(["-Xmx1g", "$(A)", "${B}", " ", "=", "'", "-w", "4", "gunicorn"])).map("".join),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(), TEXTS), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
VARIABLES = st.one_of(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["A", "B", "JAVA_OPTS", "GOMEMLIMIT", "GOGC"]), "value": VALUES}
    ),
    st.fixed_dictionaries({"name": TEXTS, "valueFrom": st.dictionaries(TEXTS, VALUES, max_size=2)}),
    st.sampled_from(
        [resource("A", "limits.memory", divisor="0"), resource("GOMAXPROCS", "limits.cpu", divisor="x")]
    ),
    VALUES,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "command": VALUES,
            "args": st.one_of(VALUES, st.lists(TEXTS, max_size=5)),
            "env": st.one_of(VALUES, st.lists(VARIABLES, max_size=6)),
            "envFrom": VALUES,
            "image": VALUES,
        },
    )
)
def test_nothing_that_a_manifest_can_hold_breaks_it(container: dict[str, Any]) -> None:
    for one in read(container, {"limits.memory": "1Gi", "limits.cpu": "bad"}):
        assert 0 <= one.amount <= amounts.LARGEST
        assert len(one.text) <= 40


@given(st.text(LETTERS, max_size=50))
def test_no_text_breaks_a_reader_of_sizes(text: str) -> None:
    readers = [
        each for name, each in vars(amounts).items() if callable(each) and name.islower() and name[0] != "_"
    ]
    assert len(readers) == 15
    for reader in readers:
        amount = reader(text)
        assert amount is None or 0 <= amount <= amounts.LARGEST


@pytest.mark.parametrize(
    "container",
    [
        args("$(" * 40_000),
        args("$(A" * 40_000, *["$(A)"] * 1000),
        shell("${A:-" * 20_000),
        args(*["-Xmx1g"] * 50_000),
        env(**{f"A{at}": f"$(A{at - 1})" * 20 for at in range(60)}, JAVA_OPTS="$(A59)"),
        env(**{f"A{at}": "$(A0) -Xmx1g" for at in range(1, 2000)}, A0="x" * 60_000),
        env(JAVA_OPTS="-Xmx" + "9" * 60_000),
        env(**{"JAVA" * 10_000: "-Xmx1g"}),
    ],
    ids=["open", "named", "shell", "many", "laughs", "wide", "long", "name"],
)
def test_what_is_meant_to_take_long_takes_no_time(container: dict[str, Any]) -> None:
    start = time.process_time()
    read(container)

    assert time.process_time() - start < 2


def test_what_is_passed_over_unread_has_nothing_to_read() -> None:
    """The quick look at a text finds a piece of every name."""
    names = [*options.BY_VARIABLE, *(flag for flag in options.BY_FLAG if len(flag) > 2), "SONAR_WEB_JAVAOPTS"]
    names += ["-Xmx1g", "-XX:MaxRAMPercentage=1", "gunicorn", "memcached", "celery"]

    assert [name for name in names if not runtimes.may_matter(name)] == []
    assert not runtimes.may_matter("image: nginx:1.27\nenv:\n- name: LOG_LEVEL\n  value: info\n")


def test_every_option_is_in_the_docs_and_nothing_else() -> None:
    text = (Path(__file__).parents[2] / "docs" / "runtimes.md").read_text("utf-8")
    table = text.partition("## Every option")[2]
    named = {name for name in re.findall(r"`([^`]+)`", table) if not re.fullmatch(r"[0-9.%].*", name)}
    known = {*options.BY_VARIABLE, *options.BY_FLAG, *(prefix.rstrip("=") for prefix, _ in options.JVM)}

    assert known - named == set()
    written = {
        "2g",
        "auto",
        "off",
        "C800000",
        "limits.memory",
        "resourceFieldRef",
        ".25",
        "-s malloc,256m",
        "-g",
    }
    sonar = {"SONAR_WEB_JAVAOPTS", "SONAR_CE_JAVAOPTS", "SONAR_SEARCH_JAVAOPTS"}
    units = {"256m", "MiB", "Mi", "-s malloc,256m"}
    assert named - known - written - sonar - units == set()
