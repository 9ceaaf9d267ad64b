"""Jobs that outgrow one call: scoring whole files, streamed and resumable.

Imports `scorer`, `files`. Start reading in `score_file`.
"""
