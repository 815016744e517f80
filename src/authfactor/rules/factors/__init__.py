"""Factors and challenges: enrolling, verifying, and how many attempts are allowed."""
