"""The networks of the paper in torch. Read `stmo` first, then `sem`, `tem`, `mofa`, `masked`.

`step` is the same network rearranged for streams; `config`, `checkpoints` and
`official_checkpoints` are what it is made of and read from.
"""
