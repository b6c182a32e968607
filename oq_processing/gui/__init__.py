"""What only the desktop has; imported by ``initGui`` alone."""
