"""Classification heads: what few labelled texts teach beside the scores of the choices. Pure functions over arrays.

`logistic` fits weights, `head` chooses how much to learn, `reject` says when to abstain; `cappy.classify` is the door.
"""
