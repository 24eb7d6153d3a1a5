"""The network for streams: each frame is embedded once, and windows are gathered from a cache."""
