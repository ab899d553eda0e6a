"""Tests of policies and rules, for their authors. In: policies, rules, a guard. Out: outcomes, coverage, assertions."""
