"""Geometry of flatmaps and surface meshes."""
