"""Grids of cells, measured by any executor and kept in a store."""
