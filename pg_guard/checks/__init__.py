"""Checks: pure functions of facts. In: `Facts` and a clause of the policy. Out: findings, all of them.

A check is a value with the settings of one clause; calling it yields findings. The tuple of checks that a policy compiles
to (`pg_guard.policy.compile`) is the whole of what is enforced.
"""
