"""A cell of one's own on native kernels: its step is traced once and run as a list of operations.

``operations`` what a trace is · ``tracer`` watches a step, made by a twin from ``apart``, ``recorder`` writes
down what it sees, by the table in ``functions`` · ``layout`` gives quantities their memory · ``backward`` the
gradients · ``replay`` the same by plain PyTorch · ``path`` the door, for ``nn/unroll.py``.
"""
