"""A real chain on a real model, recorded, priced and reported."""
