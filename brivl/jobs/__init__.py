"""Queues of computations, worker processes, and sweeps over many fits."""
