"""The scorer over HTTP, in the dialects that clients already speak.

Imports `scorer`, `boost`, `selection`, `explanation` and below. Start reading in `app`; `engine` scores.
"""
