"""Classification heads: what few labelled texts teach beside the scores of the choices. Pure functions over arrays.

`ridge` has the closed forms, `head` fits where one label is right and `independent` where several may be, `reject` says
when to abstain; `cappy.classify` is the door.
"""
