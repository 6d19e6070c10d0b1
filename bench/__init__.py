"""Side-by-side measurements of Postgate and of the programs that do the same job."""
