"""Images from text: a VQGAN, a prior over its codes, inversion, and a classifier that checks the images."""
