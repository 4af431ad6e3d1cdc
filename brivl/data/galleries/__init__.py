"""Galleries that demo pages search: drawn scenes and clips, folders of images, Flickr30k, MSR-VTT."""
