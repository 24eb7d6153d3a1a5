"""The network as it runs live: one frame's embedding computed once, windows gathered from them."""
