"""Requests that leave the house: which addresses may be reached (`addresses`), and the sending (`client`)."""
