"""This room draws all pictures: tensors, masks, curves and photos, the view of a run, sliders, in one palette."""
