"""The networks of the paper in torch. Read `stmo` first, then `sem`, `tem`, `mofa`, `masked`.

`config` describes a network, `checkpoints` reads and writes its weights, `official_checkpoints`
reads the authors' weights. `step` is the same network for streams.
"""
