"""Motion capture, virtual cameras and the windows that training draws from them."""
