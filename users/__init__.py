"""People who sign in: roles, invitations and the audit log."""
