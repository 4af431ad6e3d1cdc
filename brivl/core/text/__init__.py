"""Words and captions: resampling in time, captions of voxels, caption metrics."""
