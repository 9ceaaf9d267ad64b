"""Pure functions over texts: normalisation, features of form, repetition and copying, and chats as instructions.

Imports nothing of the package. Start reading in `normalization`.
"""
