"""Keeps a deployment-config repository right: reads utilization, rewrites Git."""

__version__ = "0.1.0"
