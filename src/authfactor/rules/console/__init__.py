"""The console: operators, their sign-in, and what each role may do."""
