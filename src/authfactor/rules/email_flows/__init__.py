"""What is mailed to users: codes that prove an address or sign in, links to a new password, invitations."""
