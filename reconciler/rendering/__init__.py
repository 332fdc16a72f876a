"""Runs helm and kustomize, and fetches charts. Knows nothing of what is rendered, or why.

`ProgramRenderer` answers the requests of `source/render.py`; `Cached` remembers its answers;
`ChartFetcher` brings charts that lie elsewhere. docs/rendering.md says what a render can't do.
"""
