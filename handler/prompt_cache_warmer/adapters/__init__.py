"""Adapters: the ports over S3, Secrets Manager, the Anthropic SDK, EMF and JSON logs."""
