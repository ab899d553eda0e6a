"""What a deployment can see of itself: logs, metrics, traces and the audit log."""
