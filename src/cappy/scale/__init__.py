"""Large jobs: scoring whole files, streamed and resumable, and the same work on a Ray cluster.

Imports `data`, `scorer`, `files`. Start reading in `score_file`; cluster jobs start in `pipeline`.
"""
