"""What readers of assets share: the assets, and which of them are chosen or summed."""
