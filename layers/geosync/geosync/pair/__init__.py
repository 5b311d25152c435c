"""The primary's registry and this site's as a pair: opened from the settings, what each can do, what is selected."""
