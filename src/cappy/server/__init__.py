"""The HTTP server, compatible with the APIs that existing clients use.

Imports `scorer`, `boost`, `selection`, `explanation` and below. Start reading in `app`; `engine` scores.
"""
