"""Why a response has its score.

Imports `scorer`. `occlusion` is `cappy.explain`.
"""
