"""Waiting for what was put into one side to be whole at the other."""
import os

import harness


def wait_for_file(target, size):
    """Until `target` has `size` bytes: files appear whole, under their name, when complete."""
    harness.wait_until(lambda: os.path.exists(target) and os.path.getsize(target) == size,
                       target, 600, 0.005)
