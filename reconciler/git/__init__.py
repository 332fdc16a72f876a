"""Git: a bare mirror to read from, commits built without a work tree, pushes under a lease.

Fetch and push go through git itself (for its transports, proxies and signing), inside a
profile that lets it run nothing and ask nobody. Reading trees and building commits is libgit2's.
"""
