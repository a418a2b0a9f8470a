"""The checks of ``doctor``: each looks at one thing of a deployment, as whoever types the command."""
