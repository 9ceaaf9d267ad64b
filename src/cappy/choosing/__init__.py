"""What a task's examples teach of choosing among samples: a small model of all that is known of each. Needs no torch.

`features` says what is known, `fit` weighs it, `learnt` is the door.
"""
