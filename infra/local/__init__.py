"""What runs the service on one machine: the local cloud, its Messages API and the demo."""
