"""Two policies or packs side by side, and recorded decisions decided anew."""
