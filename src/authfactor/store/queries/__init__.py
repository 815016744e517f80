"""Statements that span several tables; one module per purpose."""
