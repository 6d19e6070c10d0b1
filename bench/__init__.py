"""Side-by-side measurements of Postgate and its peers."""
