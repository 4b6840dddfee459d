"""Takes files in: stores each in a storage element, and keeps an index of them."""
