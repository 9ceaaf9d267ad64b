"""The `cappy` command, a file a subcommand.

Imports everything. Start reading in `app`.
"""
