"""The worker process and the tasks that it can run."""
