"""The training engine.

`engine` holds the loop, `stages` what differs between stage I, stage II and the refine module, and
`config` everything that a run can set.
"""
