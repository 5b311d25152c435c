"""What an operator sees and does: status, repositories, events, dead letters, actions, sites, the audit log."""
