"""An operator's views and actions: status, repositories, events, dead letters, actions, sites, the audit log."""
