"""What readers of sites share: the site collection, grids, hazard."""
