"""What a site does every minute: keep its subscription, post the heartbeat, wake what is due. Each for itself."""
