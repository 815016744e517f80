"""Statements over several tables; one module for each purpose."""
